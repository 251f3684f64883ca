#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of one file: the tests of a directory
# that ask for nothing of a tmpfs.

export MAFS_TEST_TIER=file
cd "$(dirname "$0")" || exit 1
code=0
for name in content files; do
	python3 "test_posix_$name.py" "$@" || code=1
done
python3 test_kill_states.py dirty "$@" || code=1
exit $code
