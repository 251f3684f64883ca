#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs a scenario, a script of sh, as root in a virtual machine with the
# installed mafs; its exit code is the test's. It runs at each boot, so it may
# reboot and go on. /mafs holds guest/ and the tests e2e and harness.
#
# usage: run.sh [--kernel sid] [--systemd] [--memory MIB] [--nvdimm MIB]
#               [--timeout S] SCENARIO
#
#   --kernel sid  Debian's newest kernel in place of the release's
#   --systemd     a whole system
#   --nvdimm MIB  with a memory device; /mafs/dax makes /dev/dax0.0 of it
#
# Exits with 77 and a reason where the guest cannot be made.

exec python3 "$(dirname "$0")/guest.py" "$@"
