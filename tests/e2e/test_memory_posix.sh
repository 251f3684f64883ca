#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The system calls of test_posix_*.py on memory volumes.

cd "$(dirname "$0")" || exit 1
code=77
for kind in ${MAFS_TEST_MEMORY:-file memfd}; do
	for name in access attributes content files names; do
		echo "== $kind, $name"
		MAFS_TEST_MEMORY=$kind python3 "test_posix_$name.py" "$@"
		case $? in
		0) [ $code = 77 ] && code=0 ;;
		77) ;;
		*) code=1 ;;
		esac
	done
done
exit $code
