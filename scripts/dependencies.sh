#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# What mafs needs from Debian, in one place, and how it gets installed.
# Sourced by quickstart.sh, check.sh and libfuse.sh. Run by itself it installs
# the lists it is given: scripts/dependencies.sh build libfuse test long
#
# An entry "a|b" is satisfied by either package; the first is installed.

# shellcheck disable=SC2034

packages_build='
	gcc libc6-dev cmake ninja-build pkg-config
	libisal-dev libxxhash-dev uuid-dev libyaml-dev libmicrohttpd-dev
	libjansson-dev libncurses-dev libdaxctl-dev libndctl-dev
	libcurl4-gnutls-dev|libcurl4-openssl-dev libcap-ng-dev'

# To build libfuse from Debian's source package.
packages_libfuse='
	gcc libc6-dev dpkg-dev meson ninja-build pkg-config
	liburing-dev libnuma-dev debian-archive-keyring'

# fuse3 is there for fusermount3, which mounts without root.
packages_run='fuse3 mount util-linux'

packages_test='
	libcmocka-dev clang clang-format libclang-rt-dev|libclang-rt-14-dev
	acl attr bash btrfs-progs coreutils curl e2fsprogs fio git
	libcap2-bin make procps python3 python3-yaml rsync sqlite3 strace stress-ng systemd tar xfsprogs'

# What only check.sh --long uses.
packages_long='debootstrap gdb qemu-system-x86'

step()
{
	printf '== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

package_installed()
{
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null |
		grep -qx installed
}

# Prints the packages of a list that are not installed.
missing_packages()
{
	for _entry; do
		_found=
		for _name in $(printf '%s' "$_entry" | tr '|' ' '); do
			if package_installed "$_name"; then
				_found=1
				break
			fi
		done
		[ -n "$_found" ] || printf '%s\n' "${_entry%%|*}"
	done | sort -u
}

# apt-get waits for dpkg's lock but not for the lock on its lists.
apt_quiet()
{
	_log=$(mktemp)
	for _try in 1 2 3 4 5; do
		if DEBIAN_FRONTEND=noninteractive apt-get -q -y \
			-o DPkg::Lock::Timeout=300 "$@" \
			>"$_log" 2>&1 </dev/null; then
			rm -f "$_log"
			return 0
		fi
		grep -q 'Could not get lock' "$_log" || break
		sleep 5
	done
	tail -n 20 "$_log" >&2
	rm -f "$_log"
	return 1
}

# Installs what is missing of the packages named.
install_packages()
{
	_missing=$(missing_packages "$@" | tr '\n' ' ')
	[ -n "$_missing" ] || return 0
	command -v apt-get >/dev/null ||
		die "no apt-get here; please install: $_missing"
	[ "$(id -u)" = 0 ] ||
		die "please install as root: apt-get install $_missing"
	step "installing: $_missing"
	apt_quiet update || return 1
	# shellcheck disable=SC2086
	apt_quiet install --no-install-recommends $_missing
}

case ${0##*/} in
dependencies.sh)
	set -eu
	[ $# -gt 0 ] || die 'usage: dependencies.sh LIST...'
	# shellcheck disable=SC2086
	for _list; do
		case $_list in
		build) install_packages $packages_build ;;
		libfuse) install_packages $packages_libfuse ;;
		run) install_packages $packages_run ;;
		test) install_packages $packages_test ;;
		long) install_packages $packages_long ;;
		*) die "no list of packages named $_list" ;;
		esac
	done
	;;
esac
