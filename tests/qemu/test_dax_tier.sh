#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Debian's newest kernel, and a directory whose memory is its /dev/dax0.0.
#
# ctest: labels=root timeout=1800

exec "$(dirname "$0")/run.sh" --kernel sid --memory 768 --nvdimm 384 \
	--timeout 1700 "$(dirname "$0")/scenario_dax_tier.sh"
