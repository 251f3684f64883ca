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

# The Debian archive that this machine already uses, whatever its mirror.
archive_uri()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1
}

# Runs apt-get with nothing but the source entry below, in folders of its own:
# the machine's sources and lists stay as they are, and no binary package of
# another suite can ever come in.
apt_source()
{
	apt_quiet -o Dir::Etc::SourceList=/dev/null \
		-o Dir::Etc::SourceParts="$work/sources" \
		-o Dir::State::Lists="$work/lists" \
		-o Dir::Cache="$work/cache" \
		-o APT::Sandbox::User=root "$@"
}

# A mirror may serve an index past its date, so only the date goes unchecked;
# the signature is checked by apt as ever.
fetch_source()
{
	_suite=$1
	rm -rf "$work/sources" "$work/lists" "$work/cache" "$work/source"
	mkdir -p "$work/sources" "$work/lists/partial" \
		"$work/cache/archives/partial" "$work/source"
	cat >"$work/sources/source.sources" <<-SOURCES
		Types: deb-src
		URIs: $uri
		Suites: $_suite
		Components: main
		Check-Valid-Until: no
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
	apt_source update || return 1
	(cd "$work/source" && apt_source source --only-source fuse3) || return 1
	set -- "$work"/source/fuse3-*/meson.build
	[ -f "$1" ]
}

uri=$(archive_uri)
if [ -z "$uri" ]; then
	apt_quiet update
	uri=$(archive_uri)
fi
[ -n "$uri" ] || die "no Debian archive among apt's sources"

step "libfuse: fetching Debian's source package"
if ! fetch_source sid; then
	if private_is_at_least $least; then
		step "libfuse $(private_version), in $prefix"
		exit 0
	fi
	fetch_source trixie ||
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
