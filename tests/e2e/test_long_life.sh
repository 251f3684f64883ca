#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 1 GiB dirty at SIGTERM and at umount(8).
#
# ctest: labels=long timeout=1800

cd "$(dirname "$0")" || exit 1
MAFS_TEST_LONG=1 exec python3 test_life.py "$@"
