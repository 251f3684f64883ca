#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes sure that a libfuse3 new enough for mafs can be found by pkg-config:
# the distribution's own where it is, else one built from Debian's source
# package into a private prefix, library and headers only. Safe to run again.
#
# usage: scripts/libfuse.sh

set -eu
. "$(dirname "$0")/dependencies.sh"
. "$(dirname "$0")/archive.sh"

# 3.17 has passthrough, which mafs cannot do without; 3.18 adds io_uring.
want=3.18
least=3.17
prefix=/usr/local/lib/mafs/libfuse

if pkg-config --atleast-version=$want fuse3 2>/dev/null ||
	dpkg --compare-versions "$(apt-cache policy libfuse3-dev 2>/dev/null |
		sed -n 's/^ *Candidate: //p')" ge $want 2>/dev/null; then
	install_packages libfuse3-dev
	step "libfuse $(pkg-config --modversion fuse3), the distribution's"
	exit 0
fi

private_version()
{
	PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig \
		pkg-config --modversion fuse3 2>/dev/null
}

private_is_at_least()
{
	PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig \
		pkg-config --atleast-version="$1" fuse3 2>/dev/null
}

if private_is_at_least $want; then
	step "libfuse $(private_version), in $prefix"
	exit 0
fi

[ "$(id -u)" = 0 ] || die "please run as root: it installs into $prefix"
# shellcheck disable=SC2086,SC2154
install_packages $packages_libfuse

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

step "libfuse: fetching Debian's source package"
if ! archive_source fuse3 sid "$work"; then
	if private_is_at_least $least; then
		step "libfuse $(private_version), in $prefix"
		exit 0
	fi
	archive_source fuse3 trixie "$work" ||
		die "Debian's source package of fuse3 cannot be had"
fi

# bindir is where libfuse looks for fusermount3; nothing is installed there.
step 'libfuse: building'
log=$work/log
for source in "$work"/source/fuse3-*/; do
	(
		cd "$source"
		uring=
		! grep -q enable-io-uring meson_options.txt ||
			uring=-Denable-io-uring=true
		meson setup build --prefix="$prefix" --libdir=lib \
			--bindir=/usr/bin --buildtype=release \
			-Ddefault_library=shared $uring -Dutils=false \
			-Dexamples=false -Dtests=false ||
			exit 1
		ninja -C build || exit 1
		rm -rf "$prefix"
		meson install -C build --no-rebuild
	) >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		die 'building libfuse failed'
	}
done
step "libfuse $(private_version), in $prefix"
