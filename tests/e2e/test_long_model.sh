#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# More and longer random operations, larger directories, longer races.
#
# ctest: labels=long timeout=7200

cd "$(dirname "$0")" || exit 1
code=77
for name in posix_model posix_names paths; do
	MAFS_TEST_LONG=1 python3 "test_$name.py" "$@"
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
done
exit $code
