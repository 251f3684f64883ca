#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# ctest: timeout=3600

exec python3 "$(dirname "$0")/bench_disk.py" --check "$@"
