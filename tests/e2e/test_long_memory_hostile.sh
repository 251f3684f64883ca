#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 300 images of memory devices that somebody has changed, to a mount.
#
# ctest: labels=long timeout=3600

cd "$(dirname "$0")" || exit 1
MAFS_TEST_LONG=1 exec python3 test_memory_hostile.py "$@"
