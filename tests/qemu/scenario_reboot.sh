#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest, at each boot; run.sh says how.

size_mib=${SIZE_MIB:-1024}
state=/var/lib/mafs-scenario
mkdir -p $state

fail()
{
	echo "failed: $*"
	journalctl -b --no-pager -n 60 -u 'mafs*' || true
	exit 1
}

if [ ! -e $state/sum ]; then
	mkdir -p /data /mnt/fast
	mafs mount --memory 4300M -o writeback_after=3600 /data /mnt/fast ||
		fail "mount"
	systemctl is-active 'mafs@*' || fail "no unit serves it"
	# Not all of it is looked at by the clock: 30 s is the least.
	dd if=/dev/urandom of=$state/block bs=1M count=16 status=none
	i=0
	while [ $i -lt $((size_mib / 16)) ]; do
		cat $state/block || fail "reading"
		i=$((i + 1))
	done >/mnt/fast/large || fail "writing"
	mkdir /mnt/fast/many
	for i in $(seq 500); do
		echo "file $i" >/mnt/fast/many/$i
	done
	mafs status --json /mnt/fast >$state/status
	grep '"n_dirty"' $state/status
	(cd /mnt/fast && sha256sum large && cat many/* | sha256sum) >$state/sum
	sync $state/sum
	echo "rebooting, $(stat -c %b /data/large) blocks are down"
	reboot
	exec sleep infinity
fi

(cd /data && sha256sum large && cat many/* | sha256sum) >$state/now
cmp $state/sum $state/now || fail "not the same after the reboot"
[ "$(stat -c %s /data/large)" = $((size_mib * 1048576)) ] || fail "cut short"
grep -q 'state: "clean"' /data/.mafs/session || fail "session not ended"
echo "all of it is there after the reboot"
