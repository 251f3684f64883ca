#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of one file: the tests of a directory
# that ask for nothing of a tmpfs.

export MAFS_TEST_TIER=file
cd "$(dirname "$0")" || exit 1
code=77
try() {
	python3 "$@"
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
}
for name in content files; do
	try "test_posix_$name.py" "$@"
done
try test_kill_states.py dirty "$@"
exit $code
