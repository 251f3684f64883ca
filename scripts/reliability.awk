# SPDX-License-Identifier: Apache-2.0
#
# The table of docs/reliability.md out of ctest's logs, each behind a line
# "preset NAME". A test speaks of itself in lines
#
#   crash: NAME stops=N recovered=N         each stop of a workload
#   kill: killed=N                          kill -9 of the daemon
#   powercut: FS rounds=N whole=N
#   inject: KIND errors=N reported=N
#   model: operations=N sequences=N seed=N
#
# and libFuzzer in its own. Only tests that passed count for what they did;
# the others are named below the table. Of two presets the first counts.

function value(name)
{
	if (!match($0, " " name "=[0-9]+"))
		return 0
	return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2)
}

# KIND, and what it is about; numbers are added up.
function note(kind, what, a, b)
{
	n_held++
	held[n_held] = kind SUBSEP what
	held_a[n_held] = a
	held_b[n_held] = b
}

function keep(i, key, parts)
{
	for (i = 1; i <= n_held; i++) {
		key = held[i]
		split(key, parts, SUBSEP)
		if (!(key in owner)) {
			owner[key] = preset
			order[++n_rows] = key
			kind_seen[parts[1]]++
		}
		if (owner[key] != preset)
			continue
		sum_a[key] += held_a[i]
		sum_b[key] += held_b[i]
	}
	n_held = 0
}

function row(kind, what, form, i, parts)
{
	if (!kind_seen[kind]) {
		printf "| %s | not run |\n", what
		return
	}
	for (i = 1; i <= n_rows; i++) {
		split(order[i], parts, SUBSEP)
		if (parts[1] == kind)
			printf "| %s%s | " form " |\n", what, \
				parts[2] == "" ? "" : ", " parts[2], \
				sum_a[order[i]], sum_b[order[i]]
	}
}

/^preset / { preset = $2; next }
/^[0-9]+\/[0-9]+ Testing: / {
	if (test != "")
		failed[++n_failed] = test ", " preset
	test = $3
	n_held = cov = units = n_counters = 0
	next
}
/^(Test Passed|Test Failed|Test Pass Reason|Test Fail Reason|Test Timeout|Skipped)/ {
	if (test == "")
		next
	n_tests[preset] += !/^Skipped/
	if (/^Test Pass/) {
		if (units)
			note("fuzz", substr(test, 6), units, \
			     n_counters ? 100 * cov / n_counters : 0)
		keep()
	} else if (!/^Skipped/) {
		failed[++n_failed] = test ", " preset
	}
	test = ""
	next
}
/^crash: / { note("crash", $2, value("stops"), value("recovered")) }
/^kill: / { note("kill", test, value("killed")) }
/^powercut: / { note("powercut", $2, value("rounds"), value("whole")) }
/^inject: / { note("inject", $2, value("errors"), value("reported")) }
/^model: / { note("model", "", value("operations"), value("sequences")) }
/^stat::number_of_executed_units: / { units = $2 }
/ inline 8-bit counters\)/ {
	match($0, /\([0-9]+ inline/)
	n_counters = substr($0, RSTART + 1, RLENGTH - 8)
}
/^#[0-9]+.* cov: [0-9]+ / {
	match($0, / cov: [0-9]+/)
	cov = substr($0, RSTART + 6, RLENGTH - 6)
}
/(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|: runtime error: / {
	n_reports[preset]++
}

END {
	if (test != "")
		failed[++n_failed] = test ", " preset
	print "| what was tried | how often, and what came of it |"
	print "|---|---|"
	row("crash", "stopped at each step", "%d stops, %d recovered")
	row("kill", "daemon killed", "%d times")
	row("powercut", "power cut", "%d rounds, %d whole")
	row("inject", "error injected", "%d errors, %d reported")
	row("model", "random operations as on ext4",
	    "%d operations in %d sequences")
	row("fuzz", "fuzzed", "%d executions, %.0f %% of the edges linked")
	split("asan tsan", sanitizers)
	for (i = 1; i in sanitizers; i++)
		if (n_tests[sanitizers[i]])
			printf "| tests under %s | %d tests, %d reports |\n", \
				sanitizers[i], n_tests[sanitizers[i]], \
				n_reports[sanitizers[i]]
		else
			printf "| tests under %s | not run |\n", sanitizers[i]
	if (n_failed) {
		print "\nFailed, and so not counted above:\n"
		for (i = 1; i <= n_failed; i++)
			print "- " failed[i]
	}
}
