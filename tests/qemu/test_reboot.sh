#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# 1 GiB is dirty in memory and somebody types reboot: all of it is there.
#
# ctest: labels=root timeout=1800

exec "$(dirname "$0")/run.sh" --systemd --memory 6144 \
	"$(dirname "$0")/scenario_reboot.sh"
