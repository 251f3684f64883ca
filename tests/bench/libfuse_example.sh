#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds one of libfuse's example programs from Debian's source package, to be
# measured against. They are GPL-2.0: built in the ignored cache, never ours.
#
# usage: libfuse_example.sh NAME CACHE
#
# Prints the path of the program; exits with 77 and a reason where it cannot be
# had.

set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/scripts/dependencies.sh"
. "$top/scripts/archive.sh"

PKG_CONFIG_PATH=/usr/local/lib/mafs/libfuse/lib/pkgconfig:${PKG_CONFIG_PATH:-}
export PKG_CONFIG_PATH

skip()
{
	echo "$*"
	exit 77
}

command -v dpkg-source >/dev/null || skip "needs dpkg-dev"
version=$(pkg-config --modversion fuse3) || skip "needs libfuse3-dev"
program=$2/libfuse-$version/$1
if [ -x "$program" ]; then
	echo "$program"
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
case $version in
3.17.*) suite=trixie ;;
*) suite=sid ;;
esac
archive_source fuse3 "$suite" "$work" 2>"$work/log" ||
	skip "Debian's source package of fuse3 cannot be had"
# With the library that mafs-fused is linked with, found where that is.
# shellcheck disable=SC2046
cc -O2 -o "$work/program" "$work"/source/fuse3-*/example/"$1".c \
	$(pkg-config --cflags --libs fuse3) \
	-Wl,-rpath,"$(pkg-config --variable=libdir fuse3)" >"$work/log" 2>&1 ||
	skip "$1 cannot be built: $(grep -m 1 error "$work/log")"
mkdir -p "${program%/*}"
mv "$work/program" "$program"
echo "$program"
