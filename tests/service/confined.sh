#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# What the unit denies to the daemon costs its users nothing: passthrough, everything a local filesystem does,
# the reaper's leases, and others see the mount.
. "$TESTS/lib/service.sh"

unit=batonfs@data-tmp.service
machine_prepare
mkdir -p "$ROOT/root/tests"
cp "$BUILD"/tests/posix_* "$ROOT/root/tests/" || fail "cp"
machine_boot

# Whether batonfs has passthrough here when nothing confines it.
expect on batonfs memory:100M /data/tmp
wanted=$(status_of /data/tmp 'd["passthrough"], d["passthrough_why"]')
expect on umount /data/tmp

for source in memory:1G /var/lib/batonfs; do
	[ $source = memory:1G ] || expect on mkdir $source
	printf 'SOURCE=%s\nOPTIONS=suid,dev,exec,ttl=never\n' $source | on tee /etc/batonfs/data-tmp.conf >/dev/null
	expect on systemctl start "$unit"
	expect_eq "$wanted" "$(status_of /data/tmp 'd["passthrough"], d["passthrough_why"]')" "passthrough on $source"
	for program in data flags listing lock mmap name nameless owner "random 500 1" "xattr marks"; do
		expect on mkdir "/data/tmp/4711/${program%% *}"
		# shellcheck disable=SC2086 # arguments
		said=$(on env --chdir="/data/tmp/4711/${program%% *}" /root/tests/posix_$program 2>&1)
		case $? in
		0 | 77) ;;
		*) fail "posix_$program on $source: $said" ;;
		esac
	done
	echo short | on tee /data/tmp/4712/file >/dev/null || fail "write"
	expect on baton -m /data/tmp ttl 4712 0.1s
	wait_until 20 eval '! on test -e /data/tmp/4712/file'
	expect_eq "" "$(on journalctl -q -o cat -p err -u "$unit")" "errors of the daemon"
	expect on systemctl stop "$unit"
done
