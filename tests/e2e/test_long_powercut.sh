#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 200 power cuts, over all kinds of work and three file systems.
#
# ctest: labels=long timeout=7200

cd "$(dirname "$0")" || exit 1
code=77
for name in powercut powercut_names; do
	MAFS_TEST_LONG=1 python3 "test_$name.py" "$@"
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
done
exit $code
