#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# More pairs of kills, more power cuts at each stop.
#
# ctest: labels=root,long timeout=7200

code=77
for name in recovery powercut; do
	MAFS_TEST_LONG=1 "$MAFS_BUILD_DIR/tests/bin/crash.$name"
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
done
exit $code
