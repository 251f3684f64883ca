#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 1,000 rounds of changes that a client follows; 1,000 checkpoints beside one
# that reads.
#
# ctest: labels=long timeout=3600

cd "$(dirname "$0")" || exit 1
MAFS_TEST_LONG=1 exec python3 test_memory_client.py "$@"
