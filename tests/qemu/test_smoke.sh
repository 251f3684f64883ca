#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The kernel of Debian 12: no passthrough, no shared mappings of files that are
# open with direct I/O, no tmpfs without swap.
#
# ctest: labels=root timeout=2400

exec "$(dirname "$0")/run.sh" --memory 1024 --timeout 2300 \
	"$(dirname "$0")/scenario_smoke.sh"
