#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 10,000 images to fsck, log, logplay, repair and opening.
#
# ctest: labels=long timeout=7200

MAFS_TEST_LONG=1 exec "$MAFS_BUILD_DIR/tests/bin/unit.cli.hostile_media"
