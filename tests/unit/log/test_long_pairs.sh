#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ctest: labels=long timeout=3600

MAFS_TEST_LONG=1 exec "$MAFS_BUILD_DIR/tests/bin/unit.log.pairs"
