#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: on_tier.sh KIND "SCRIPT [NAMEPART]"...
#
# Runs tests of tests/e2e, from there, with that kind of memory below each
# volume. Exits with 77 when all were skipped, with 1 when one failed.

export MAFS_TEST_TIER="$1"
shift
code=77
for script; do
	# shellcheck disable=SC2086
	python3 $script
	case $? in
	0) [ $code = 77 ] && code=0 ;;
	77) ;;
	*) code=1 ;;
	esac
done
exit $code
