#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs what tries to break mafs and prints the table of docs/reliability.md.
# What did not run stands there as not run.
#
# usage: scripts/reliability.sh [--long]
#        scripts/reliability.sh --read DIR
#
#   --long      at full size: hours
#   --read DIR  print the table of an earlier run, whose ctest logs are
#               DIR/{release,asan,tsan,fuzz}.log

set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

dir=build/reliability
run=1
seconds=20
unset MAFS_TEST_LONG
set_of="-LE ^(long|bench|qemu)\$"
case ${1-}:$# in
:0) ;;
--long:1)
	set_of="-L ^long\$" # which set MAFS_TEST_LONG themselves
	seconds=600
	;;
--read:2)
	dir=$2
	run=
	;;
-h:1 | --help:1)
	sed -n '4,12s/^# \{0,1\}//p' "$0"
	exit 0
	;;
*)
	sed -n '7,12s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

# tests PRESET TARGET CTEST-ARGUMENTS...: builds, and runs what is built,
# whatever comes of it.
tests()
{
	_preset=$1
	_target=$2
	shift 2
	rm -f "$dir/$_preset.log"
	step "$_preset" >&2
	if ! cmake --preset "$_preset" -DMAFS_TESTS=ON \
		-DMAFS_FUZZ_SECONDS="$seconds" >"$dir/$_preset.build" 2>&1 ||
		! cmake --build "build/$_preset" --target "$_target" \
			>>"$dir/$_preset.build" 2>&1; then
		tail -n 20 "$dir/$_preset.build" >&2
		return 0
	fi
	ctest --test-dir "build/$_preset" -j "$(nproc)" --no-tests=ignore "$@" \
		>"$dir/$_preset.out" 2>&1 </dev/null || true
	cp "build/$_preset/Testing/Temporary/LastTest.log" "$dir/$_preset.log"
}

if [ -n "$run" ]; then
	mkdir -p "$dir"
	# shellcheck disable=SC2086
	tests release all $set_of \
		-R '^(crash\.|unit\.core\.|e2e\..*(kill|powercut|fault|model))'
	tests asan all -L '^(unit|crash|e2e)$' -LE '^(long|bench|qemu)$'
	tests tsan tsan_tests -L '^tsan$' -LE '^(long|bench|qemu)$'
	tests fuzz fuzzers -L '^fuzz$'
fi

for preset in release asan tsan fuzz; do
	[ -f "$dir/$preset.log" ] || continue
	echo "preset $preset"
	cat "$dir/$preset.log"
done | awk -f scripts/reliability.awk
