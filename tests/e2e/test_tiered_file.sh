#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of one file: the tests of a directory
# that ask for nothing of a tmpfs.

cd "$(dirname "$0")" || exit 1
exec ../harness/on_tier.sh file test_posix_content.py test_posix_files.py \
	"test_kill_states.py dirty"
