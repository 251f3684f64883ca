#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of a memfd, which outlives its daemon.

export MAFS_TEST_TIER=memfd
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
try test_posix_attributes.py "$@"
try test_kill_states.py unlinked "$@"
exit $code
