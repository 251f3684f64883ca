#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of a memfd, which outlives its daemon.

export MAFS_TEST_TIER=memfd
cd "$(dirname "$0")" || exit 1
code=0
python3 test_posix_attributes.py "$@" || code=1
python3 test_kill_states.py unlinked "$@" || code=1
exit $code
