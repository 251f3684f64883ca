#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A directory whose memory is extents of a memfd, which outlives its daemon.

cd "$(dirname "$0")" || exit 1
exec ../harness/on_tier.sh memfd test_posix_attributes.py \
	"test_kill_states.py unlinked"
