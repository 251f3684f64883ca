#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Boots a Debian of this machine's release in QEMU, under software emulation,
# with the installed mafs in it, and runs a scenario as a service of systemd.
#
# usage: run.sh SCENARIO
#
# SCENARIO is a shell script; /scenario in the guest, run at each boot. It says
# "mafs-qemu: pass" or "mafs-qemu: fail WHY" on the console and powers off; it
# may reboot before that. Exits with 0 or 1, and with 77 and a reason where the
# guest cannot be made. The bare system is made once, in .cache/qemu.

set -eu
scenario=$(realpath "$1")
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${MAFS_BUILD_DIR:-$top/build/release}
packages='systemd-sysv,udev,kmod,initramfs-tools,linux-image-cloud-amd64'
packages=$packages,fuse3,e2fsprogs,procps

skip()
{
	echo "skip: $*"
	exit 77
}

[ "$(uname -m)" = x86_64 ] || skip "the guest is x86_64"
[ "$(id -u)" = 0 ] || skip "needs root, to make the guest"
for program in qemu-system-x86_64 debootstrap mke2fs; do
	command -v "$program" >/dev/null || skip "needs $program"
done
[ -x "$build/bin/mafs" ] || skip "no program in $build/bin"
grep -q address "$build/CMakeCache.txt" 2>/dev/null &&
	grep -q '^MAFS_SANITIZE:.*address' "$build/CMakeCache.txt" &&
	skip "a guest is too slow for sanitizers"

. /etc/os-release
bare=$top/.cache/qemu/$VERSION_CODENAME.tar
work=$(mktemp -d /var/tmp/mafs-qemu-$$.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
root=$work/root

make_bare()
{
	mirror=$(awk '/^URIs:/ { print $2; exit }
		/^deb / { for (i = 2; i <= NF; i++)
			if ($i ~ /^http/) { print $i; exit } }' \
		/etc/apt/sources.list.d/debian.sources \
		/etc/apt/sources.list 2>/dev/null || true)
	debootstrap --variant=minbase --include="$packages" \
		"$VERSION_CODENAME" "$root" $mirror >"$work/log" 2>&1 ||
		skip "no Debian to be had: $(tail -n 1 "$work/log")"
	mkdir -p "${bare%/*}"
	tar -C "$root" -cf "$bare.$$" . && mv "$bare.$$" "$bare"
}

mkdir "$root"
if [ -s "$bare" ]; then
	tar -C "$root" -xf "$bare"
else
	make_bare
fi

# ---- what we test, with the libraries that it was linked with ----

DESTDIR=$root cmake --install "$build" >"$work/log" 2>&1 || {
	cat "$work/log"
	exit 1
}
find "$root/usr/local" -type f -perm -100 -exec ldd {} + 2>/dev/null |
	awk '$2 == "=>" && $3 ~ "^/" { print $3 }' | sort -u |
	while read -r library; do
		[ -e "$root$library" ] || {
			mkdir -p "$root${library%/*}"
			cp -L "$library" "$root$library"
		}
	done
chroot "$root" ldconfig
install -m 755 "$scenario" "$root/scenario"
cat >"$root/etc/systemd/system/mafs-scenario.service" <<UNIT
[Service]
Type=oneshot
ExecStart=/scenario
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
UNIT
chroot "$root" systemctl enable -q mafs-scenario.service 2>/dev/null
# It would hang up on the console that we read.
chroot "$root" systemctl mask -q serial-getty@ttyS0.service 2>/dev/null
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
echo guest >"$root/etc/hostname"

truncate -s 8G "$work/disk"
mke2fs -q -F -t ext4 -d "$root" "$work/disk"
cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
rm -rf "$root"

timeout "${MAFS_QEMU_SECONDS:-1500}" qemu-system-x86_64 \
	-machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 6G \
	-display none -serial "file:$work/console" -monitor none -nic none \
	-kernel "$work/kernel" -initrd "$work/initrd" \
	-append 'root=/dev/vda rw console=ttyS0 quiet' \
	-drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" ||
	echo "qemu ended with $?"

tr -d '\r' <"$work/console" | grep -a 'mafs' || true
grep -aq 'mafs-qemu: pass' "$work/console" &&
	! grep -aq 'mafs-qemu: fail' "$work/console" && exit 0
tail -n 40 "$work/console"
exit 1
