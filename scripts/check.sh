#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs what the tests need, builds with sanitizers and runs the tests.
# The last line says how many passed; the exit code is 1 when one failed.
#
# What runs whole programs depends on the machine's timing: up to three e2e
# tests that failed are run again, alone. One that passes then is named as
# unsteady.
#
# usage: scripts/check.sh [--long]
#
#   --long  also the long tests, those in virtual machines and the benchmarks

set -eu
cd "$(dirname "$0")/.."
. scripts/dependencies.sh

long=
case $*:$# in
:0) ;;
--long:1) long=1 ;;
-h:1 | --help:1)
	sed -n '4,13s/^# \{0,1\}//p' "$0"
	exit 0
	;;
*)
	sed -n '11,13s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac

jobs=$(nproc)
# What only check.sh --long runs.
only_long='^(long|bench|qemu)$'
n_passed=0
n_failed=0
n_skipped=0
bad=
unsteady=

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

failed()
{
	n_failed=$((n_failed + 1))
	bad="$bad
	$1"
	step "FAILED: $1"
}

configure()
{
	_preset=$1
	shift
	step "configuring $_preset"
	cmake --preset "$_preset" -DMAFS_TESTS=ON -DMAFS_WERROR=ON "$@" \
		>"$log" 2>&1 && return 0
	cat "$log"
	failed "configuring $_preset"
	return 1
}

# build PRESET [TARGET]
build()
{
	step "building $1"
	cmake --build "build/$1" -j "$jobs" --target "${2:-all}" -- \
		-k 0 >"$log" 2>&1 && return 0
	# The compiler's words, without the lines that say what went well.
	{ grep -v '^\[[0-9]*/[0-9]*\] ' "$log" || cat "$log"; } | head -n 200
	failed "building $1"
	return 1
}

# run PRESET CTEST-ARGUMENTS...: counts what ctest's closing lines say.
run()
{
	_preset=$1
	shift
	step "testing $_preset"
	ctest --test-dir "build/$_preset" -j "$jobs" --output-on-failure \
		--no-tests=ignore --no-label-summary "$@" </dev/null 2>&1 | tee "$log"
	_closing=$(grep -E '^[0-9]+% tests passed, ' "$log" | tail -n 1)
	if [ -z "$_closing" ]; then
		grep -q 'No tests were found' "$log" || failed "ctest $_preset"
		return 0
	fi
	_failed=$(echo "$_closing" | sed 's/.* passed, \([0-9]*\) .*/\1/')
	_total=$(echo "$_closing" | sed 's/.* out of //')
	_skipped=$(grep -cE '^[[:space:]]+[0-9]+ - .* \(Skipped\)' "$log") ||
		true
	n_failed=$((n_failed + _failed))
	n_skipped=$((n_skipped + _skipped))
	n_passed=$((n_passed + _total - _failed - _skipped))
	[ "$_failed" != 0 ] || return 0
	_names=$(sed -n '/^The following tests FAILED/,$p' "$log" |
		sed -n "s/^[[:space:]]*[0-9]* - \([^ ]*\) (.*/\1/p")
	_again=
	[ "$_failed" -gt 3 ] || _again=1
	for _name in $_names; do
		case $_name:$_again in
		e2e.*:1)
			if passes_alone "$_preset" "$_name"; then
				continue
			fi
			;;
		esac
		bad="$bad
	$_name, $_preset"
	done
}

# passes_alone PRESET NAME: then it counts as passed.
passes_alone()
{
	step "again: $2"
	ctest --test-dir "build/$1" --output-on-failure --no-tests=error \
		-R "^$(echo "$2" | sed 's/[.]/[.]/g')\$" </dev/null 2>&1 ||
		return 1
	n_failed=$((n_failed - 1))
	n_passed=$((n_passed + 1))
	unsteady="$unsteady
	$2, $1"
}

n_tests()
{
	ctest --test-dir "build/$1" -N -L "$2" 2>/dev/null |
		sed -n 's/^Total Tests: //p'
}

# shellcheck disable=SC2086
install_packages $packages_build $packages_run $packages_test \
	${long:+$packages_long}
scripts/libfuse.sh

# A program that does not compile leaves tests that did not run: ctest counts
# them as failed, and the others still say something.
if configure asan; then
	build asan || true
	run asan -L '^(unit|golden|crash|fuzz|check|e2e)$' -LE "$only_long"
fi

fuzz_seconds=${long:+120}
if configure fuzz -DMAFS_FUZZ_SECONDS="${fuzz_seconds:-20}" &&
	[ "$(n_tests fuzz '^fuzz$')" != 0 ]; then
	build fuzz fuzzers || true
	run fuzz -L '^fuzz$'
fi

if configure tsan && [ "$(n_tests tsan '^tsan$')" != 0 ]; then
	build tsan tsan_tests || true
	run tsan -L '^tsan$' -LE "$only_long"
fi

if [ -n "$long" ]; then
	run asan -L '^long$' -LE '^(bench|qemu)$'
	if configure release; then
		build release || true
		run release -L '^(e2e|crash|qemu|bench)$'
	fi
fi

n_run=$((n_passed + n_failed + n_skipped))
[ -z "$unsteady" ] || printf '\nPassed only when run again:\n%s\n' "$unsteady" |
	sed '2,${/^$/d}'
[ -z "$bad" ] || printf '\nFailed:\n%s\n' "$bad" | sed '2,${/^$/d}'
[ "$n_run" -gt 0 ] || die 'no test was run'
printf '\n%d%% tests passed, %d tests failed out of %d\n' \
	$(((n_run - n_failed) * 100 / n_run)) "$n_failed" "$n_run"
printf '%d passed, %d failed, %d skipped\n' \
	"$n_passed" "$n_failed" "$n_skipped"
[ "$n_failed" = 0 ]
