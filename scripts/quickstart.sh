#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# From a clone to a mounted mafs: installs what is missing, builds, installs to
# /usr/local and mounts. Safe to run again.
#
# usage: scripts/quickstart.sh [DIR [MNT]]
#
#   DIR  the directory to serve from memory; without it, a small sample
#   MNT  where to mount it; without it, DIR.mnt

set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/dependencies.sh"

usage()
{
	sed -n '4,10s/^# \{0,1\}//p' "$0"
}

case ${1-} in
-h | --help)
	usage
	exit 0
	;;
esac
if [ $# -gt 2 ]; then
	usage >&2
	exit 2
fi

sample=/var/tmp/mafs-quickstart
if [ $# -gt 0 ]; then
	[ -d "$1" ] || die "$1 is not a directory"
	dir=$(cd "$1" && pwd)
	mnt=${2:-$dir.mnt}
else
	dir=$sample/data
	mnt=$sample/mnt
fi
case $mnt in
/*) ;;
*) mnt=$PWD/$mnt ;;
esac

[ "$(id -u)" = 0 ] ||
	die 'please run as root: it installs packages and mafs itself'

# Names the type of what is mounted at MNT, also when its daemon is gone.
mounted_type()
{
	findmnt -n -o FSTYPE --mountpoint "$mnt" 2>/dev/null | tail -n 1
}

make_sample()
{
	[ ! -d "$sample/data" ] || return 0
	mkdir -p "$sample/data.new/letters"
	echo 'This file is served by mafs.' >"$sample/data.new/hello.txt"
	for letter in a b c d; do
		echo "$letter" >"$sample/data.new/letters/$letter.txt"
	done
	head -c 16777216 /dev/urandom >"$sample/data.new/random.bin"
	mv "$sample/data.new" "$sample/data"
}

# shellcheck disable=SC2086
install_packages $packages_build $packages_run
"$top/scripts/libfuse.sh"

step 'building'
cd "$top"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM
{
	cmake --preset release -DMAFS_TESTS=OFF &&
		cmake --build build/release -j "$(nproc)" &&
		cmake --install build/release
} >"$log" 2>&1 || {
	tail -n 40 "$log" >&2
	die 'the build failed'
}
step "installed: $(command -v mafs || echo /usr/local/bin/mafs)"
PATH=/usr/local/bin:$PATH

[ $# -gt 0 ] || make_sample
type=$(mounted_type)
case $type in
'' | *mafs*) ;;
*) die "$mnt is a mount point of $type" ;;
esac

# Reading the directory asks the daemon; its attributes may be cached.
if [ -n "$type" ] && ls -f "$mnt" >/dev/null 2>&1; then
	step "already mounted: $mnt"
else
	[ -e /dev/fuse ] || modprobe fuse 2>/dev/null ||
		die 'no /dev/fuse here: the kernel lacks FUSE'
	[ -n "$type" ] || mkdir -p "$mnt"
	mafs mount "$dir" "$mnt"
	step "mounted: $mnt"
fi

cat <<TEXT

$mnt shows the files of $dir, from memory.

Try next:
  ls -l $mnt
  mafs status $mnt
  cp -r /usr/share/doc $mnt/ && mafs sync $mnt
Stop:
  mafs umount $mnt
TEXT
