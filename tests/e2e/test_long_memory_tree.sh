#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 20,000 files, and one of more than 1,000 extents.
#
# ctest: labels=long timeout=3600

cd "$(dirname "$0")" || exit 1
MAFS_TEST_LONG=1 exec python3 test_memory_tree.py "$@"
