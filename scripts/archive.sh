#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# One suite of Debian's archive beside those of this machine, read by apt in
# folders of its own: the machine's sources and lists stay as they are, and no
# package of that suite is ever installed. Sourced after dependencies.sh.

# The Debian archive that this machine already uses, whatever its mirror.
archive_uri()
{
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n 1
}

# archive_open TYPE SUITE FOLDER: fetches the index; sets archive_options, for
# apt-get and apt-cache. FOLDER is used up.
#
# A mirror may serve an index past its date, so only the date goes unchecked;
# the signature is checked by apt as ever.
archive_open()
{
	_uri=$(archive_uri)
	if [ -z "$_uri" ]; then
		apt_quiet update
		_uri=$(archive_uri)
	fi
	[ -n "$_uri" ] || {
		echo "no Debian archive among apt's sources" >&2
		return 1
	}
	rm -rf "$3"
	mkdir -p "$3/sources" "$3/lists/partial" "$3/cache/archives/partial"
	cat >"$3/sources/source.sources" <<-SOURCES
		Types: $1
		URIs: $_uri
		Suites: $2
		Components: main
		Check-Valid-Until: no
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	SOURCES
	archive_options="-o Dir::Etc::SourceList=/dev/null
		-o Dir::Etc::SourceParts=$3/sources
		-o Dir::State::Lists=$3/lists
		-o Dir::Cache=$3/cache
		-o Acquire::Languages=none
		-o APT::Sandbox::User=root"
	# shellcheck disable=SC2086
	apt_quiet $archive_options update
}

# archive_source PACKAGE SUITE FOLDER: unpacked in FOLDER/source/PACKAGE-VERSION
archive_source()
{
	archive_open deb-src "$2" "$3/apt" || return 1
	rm -rf "$3/source"
	mkdir "$3/source"
	# shellcheck disable=SC2086
	(cd "$3/source" &&
		apt_quiet $archive_options source --only-source "$1") ||
		return 1
	set -- "$3"/source/"$1"-*/
	[ -d "$1" ]
}
