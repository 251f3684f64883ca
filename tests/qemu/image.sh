#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a guest's root disk and kernel: a bare Debian of this machine's release
# with the installed mafs and the tests in it.
#
# usage: image.sh KERNEL DIR
#
# KERNEL is "release", that of the Debian release, or "sid", the newest one of
# Debian's. DIR gets the files "disk" and "kernel"; no initrd is needed, as
# NVMe and ext4 are built into both. Exits with 77 and a reason where these
# cannot be had. What is fetched is kept in .cache/qemu, and nothing of it is
# installed.

set -eu
kernel=$1
into=$2
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${MAFS_BUILD_DIR:-$top/build/release}
cache=$top/.cache/qemu
. "$top/scripts/dependencies.sh"
. "$top/scripts/archive.sh"
. /etc/os-release

packages=systemd-sysv,udev,kmod,linux-image-cloud-amd64,fuse3,e2fsprogs
packages=$packages,procps,python3,acl,attr,sqlite3,ndctl,daxctl

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
grep -q '^MAFS_SANITIZE:.*[a-z]*=..*' "$build/CMakeCache.txt" &&
	skip "a guest is too slow for sanitizers"

work=$into/work
root=$work/root
mkdir -p "$root" "$cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# keep FILE FOLDER PATH: an archive of FOLDER's PATH, there wholly or not.
keep()
{
	tar -C "$2" -cf "$1.$$" "$3" && mv "$1.$$" "$1"
}

fetch_bare()
{
	debootstrap --variant=minbase --include="$packages" \
		"$VERSION_CODENAME" "$root" "$(archive_uri)" \
		>"$work/log" 2>&1 ||
		skip "no Debian to be had: $(tail -n 1 "$work/log")"
	keep "$1" "$root" .
}

# The packages that the newest kernel consists of; linux-image-* itself holds
# nothing.
sid_packages()
{
	# shellcheck disable=SC2086
	apt-cache $archive_options depends --recurse --no-recommends \
		--no-suggests --no-conflicts --no-breaks --no-replaces \
		--no-enhances linux-image-cloud-amd64 |
		grep -E '^linux-(base|binary|modules)-[0-9].*-cloud-amd64$' |
		sort -u
}

fetch_sid()
{
	archive_open deb sid "$work/apt" 2>"$work/log" ||
		skip "no kernel of sid: $(tail -n 1 "$work/log")"
	mkdir "$work/packages" "$work/sid"
	# shellcheck disable=SC2046,SC2086
	(cd "$work/packages" && apt_quiet $archive_options download \
		$(sid_packages)) 2>"$work/log" ||
		skip "no kernel of sid: $(tail -n 1 "$work/log")"
	for package in "$work"/packages/*.deb; do
		dpkg-deb -x "$package" "$work/sid"
	done
	cp -a "$work"/sid/usr/lib/modules/* "$root/lib/modules"
	chroot "$root" depmod "$(ls "$work/sid/usr/lib/modules")"
	keep "$1" "$root/usr/lib" "modules/$(ls "$work/sid/usr/lib/modules")"
}

bare=$cache/$VERSION_CODENAME-$(echo "$packages" | cksum | cut -d' ' -f1).tar
if [ -s "$bare" ]; then
	tar -C "$root" -xf "$bare"
else
	fetch_bare "$bare"
fi
case $kernel in
release)
	cp "$root"/boot/vmlinuz-* "$into/kernel"
	;;
sid)
	if [ -s "$cache/sid.tar" ]; then
		tar -C "$root/usr/lib" -xf "$cache/sid.tar"
	else
		fetch_sid "$cache/sid.tar"
	fi
	cp "$root"/usr/lib/modules/*/vmlinuz "$into/kernel"
	;;
*)
	die "no kernel named $kernel"
	;;
esac
rm -rf "$root"/boot/* "$root"/usr/share/doc "$root"/var/cache/apt

# What we test, with the libraries that it was linked with.
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

mkdir -p "$root/mafs/tests"
cp -a "$here"/guest/* "$root/mafs"
cp -a "$top/tests/e2e" "$top/tests/harness" "$root/mafs/tests"
mv "$root/mafs/mafs-agent.service" "$root/etc/systemd/system"
chroot "$root" systemctl enable -q mafs-agent.service 2>/dev/null
echo '/dev/nvme0n1 / ext4 defaults 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"

truncate -s 8G "$into/disk"
mke2fs -q -F -t ext4 -d "$root" "$into/disk"
