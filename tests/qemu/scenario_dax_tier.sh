#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# In the guest; run.sh says how. A directory whose memory is /dev/dax0.0, which
# is mapped in pages of 2 MiB and cut into units of 4 KiB.

fail()
{
	echo "failed: $*"
	dmesg | tail -n 20
	exit 1
}

echo "Linux $(uname -r)"
/mafs/dax 2M && [ -c /dev/dax0.0 ] || fail "no /dev/dax0.0"
cd /mafs/tests/e2e || exit 1
export MAFS_TEST_TIER=dax
for name in posix_content posix_files; do
	echo "== $name"
	python3 test_$name.py --limit 600 2>&1 || fail "$name"
done
echo "== kill_states"
python3 test_kill_states.py dirty --limit 600 2>&1 || fail "kill_states"
mkdir -p /tmp/d /tmp/m
mafs mkfs --force /dev/dax0.0 || fail "mkfs"
mafs mount --memory /dev/dax0.0 /tmp/d /tmp/m && fail "a memory volume's taken"
mafs mkfs --wipe /dev/dax0.0 || fail "wipe"
mafs mount --memory /dev/dax0.0 /tmp/d /tmp/m || fail "mount"
mafs status /tmp/m | grep dax:/dev/dax0.0 || fail "status"
echo bytes >/tmp/m/f
mafs umount /tmp/m
[ "$(cat /tmp/d/f)" = bytes ] || fail "write-back"
exit 0
