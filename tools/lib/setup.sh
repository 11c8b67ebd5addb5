# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034 # the lists are read by name
#
# Sourced by the scripts in tools/: install the packages that a purpose needs, if they are missing.
#
#     . tools/lib/setup.sh
#     setup_packages build run          # purposes: the lists below
#     setup_optional bench              # the same, but what cannot be had is only named
#
# When nothing is missing, the package manager is not even started. Works as root on Debian 12 and
# later and on Ubuntu. setup_packages returns 1 after one line that says what to do.

# "package", or "package:command" where any provider of the command will do.
setup_build=(build-essential:cc cmake:cmake ninja-build:ninja pkg-config:pkg-config
	libsqlite3-dev libxxhash-dev libjansson-dev libseccomp-dev
	libmicrohttpd-dev libncurses-dev libarchive-dev
	dpkg-dev:dpkg-shlibdeps file:file) # these for cpack
setup_run=(mount:umount nodejs:node python3:python3)
setup_test=(check fuse3:fusermount3 git:git attr:setfattr acl:setfacl e2fsprogs:mkfs.ext4
	xfsprogs:mkfs.xfs sqlite3:sqlite3 strace:strace procps:pgrep systemd:systemd-analyze
	python3-yaml tmux:tmux jq:jq iproute2:ip)
# tests/lint/format.sh accepts only version 14, which other releases may not have.
grep -q bookworm /etc/os-release && setup_test+=(clang-format-14:clang-format-14)
# For tools/fuzz.
setup_fuzz=(check clang:clang)
# For tools/test-containers.
setup_containers=(crun:crun debootstrap:debootstrap python3-yaml)
# For tools/test-n8n --queue.
setup_queue=(postgresql redis-server:redis-server)
# Filesystems to compare with and what measures them; whatever cannot be had is left out: setup_optional.
setup_bench=(bindfs:bindfs mergerfs:mergerfs fio:fio gnuplot-nox:gnuplot
	e2fsprogs:mkfs.ext4 xfsprogs:mkfs.xfs)
# To build libfuse where the distribution's is too old: tools/build-libfuse.
setup_libfuse=(meson:meson dpkg-dev:dpkg-source)

setup_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
setup_log=$setup_root/build/setup.log

setup_say() { echo "setup: $*"; }
setup_fail() { echo "setup: $*" >&2; return 1; }

setup_present() {
	local package=${1%%:*}

	case $1 in
	*:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#*:}" >/dev/null ;;
	*) dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ;;
	esac
}

# Is there a libfuse that is new enough, or all that is needed to build one?
setup_libfuse_settled() {
	[ -e "$setup_root/build/libfuse/lib/pkgconfig/fuse3.pc" ] ||
		pkg-config --atleast-version=3.17 fuse3 2>/dev/null ||
		{ setup_present "${setup_libfuse[0]}" && setup_present "${setup_libfuse[1]}"; }
}

setup_apt() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" \
		>>"$setup_log" 2>&1 </dev/null
}

# The version of a package that would be installed; nothing if there is none.
setup_candidate() {
	apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vx '(none)'
}

setup_packages() {
	local missing=() libfuse='' purpose item

	for purpose; do
		local -n items=setup_$purpose
		for item in "${items[@]}"; do
			setup_present "$item" || missing+=("${item%%:*}")
		done
		[ "$purpose" = build ] && ! setup_libfuse_settled && libfuse=1
	done
	[ ${#missing[@]} -gt 0 ] || [ "$libfuse" ] || return 0

	[ "$(id -u)" = 0 ] || { setup_fail "run as root: packages are missing: ${missing[*]}"; return; }
	command -v apt-get >/dev/null ||
		{ setup_fail "no apt-get here; install the equivalents of: ${missing[*]}"; return; }
	mkdir -p "$setup_root/build"
	: >"$setup_log"
	setup_say "reading package lists"
	setup_apt update || setup_say "some lists could not be read; going on with the others"
	if [ "$libfuse" ]; then
		item=$(setup_candidate libfuse3-dev)
		if dpkg --compare-versions "${item:-0}" ge 3.17; then
			missing+=(libfuse3-dev)
		else
			missing+=("${setup_libfuse[@]%%:*}")
		fi
	fi
	setup_say "installing ${missing[*]}"
	setup_apt install --no-install-recommends "${missing[@]}" && return 0
	tail -n 15 "$setup_log" >&2
	setup_fail "apt-get install failed; the whole log is in build/setup.log"
}

setup_optional() {
	local missing=() purpose item

	for purpose; do
		local -n items=setup_$purpose
		for item in "${items[@]}"; do
			setup_present "$item" || missing+=("${item%%:*}")
		done
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		setup_say "going on without ${missing[*]}"
		return 0
	fi
	mkdir -p "$setup_root/build"
	: >"$setup_log"
	setup_say "reading package lists, installing ${missing[*]}"
	setup_apt update || setup_say "some lists could not be read; going on with the others"
	setup_apt install --no-install-recommends "${missing[@]}" && return 0
	for item in "${missing[@]}"; do
		setup_apt install --no-install-recommends "$item" ||
			setup_say "$item cannot be installed; going on without it"
	done
	return 0
}
