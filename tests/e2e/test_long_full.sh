#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 1 GiB through 256 MiB of memory; small disks of several kinds.
#
# ctest: labels=long timeout=7200

cd "$(dirname "$0")" || exit 1
code=77
for name in full; do
	MAFS_TEST_LONG=1 python3 "test_$name.py" "$@"
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
done
exit $code
