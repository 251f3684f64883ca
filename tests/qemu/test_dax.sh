#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Debian's newest kernel, and a memory volume on its /dev/dax0.0.
#
# ctest: labels=root timeout=3600

exec "$(dirname "$0")/run.sh" --kernel sid --memory 768 --nvdimm 384 \
	--timeout 3500 "$(dirname "$0")/scenario_dax.sh"
