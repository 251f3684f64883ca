#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In the guest; run.sh says how. A memory volume on /dev/dax0.0.

fail()
{
	echo "failed: $*"
	dmesg | tail -n 20
	exit 1
}

echo "Linux $(uname -r)"
# Units are no smaller than the pages that the device is mapped in.
/mafs/dax 4K && [ -c /dev/dax0.0 ] || fail "no /dev/dax0.0"
cd /mafs/tests/e2e || exit 1
for name in files names access attributes content; do
	echo "== posix_$name"
	MAFS_TEST_MEMORY=dax python3 test_posix_$name.py --limit 600 2>&1 ||
		fail "posix_$name"
done
echo "== memory_tree"
MAFS_TEST_KINDS=dax MAFS_TEST_LONG=1 \
	python3 test_memory_tree.py whole --limit 3000 2>&1 || fail "memory_tree"
