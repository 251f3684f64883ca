#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In the guest; run.sh says how. The e2e tests that are quick under emulation.

cd /mafs/tests/e2e || exit 1
echo "Linux $(uname -r)"
bad=

run()
{
	echo "== $*"
	python3 "test_$1.py" --limit 600 2>&1
	case $? in
	0 | 77) ;;
	*) bad="$bad $1" ;;
	esac
}

for name in mount cli posix_files posix_names posix_access posix_attributes \
	posix_content paths paths_mapped killpriv logplay user; do
	run $name
done
export MAFS_TEST_MEMORY=file
for name in files names access attributes content; do
	run posix_$name
done
[ -z "$bad" ] || echo "failed:$bad"
[ -z "$bad" ]
