#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# What the unit denies to the daemon costs its users nothing: passthrough, everything a local filesystem does,
# the reaper's leases, others see the mount, and metrics= serves those on this machine, and nobody else.
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

# fetch URL
fetch() {
	on python3 -c 'import sys, urllib.request as u
try: print(u.urlopen("http://" + sys.argv[1], timeout=2).read().decode().strip())
except OSError: print("denied")' "$1"
}
# An address of this machine's that is not localhost: from there to there is from elsewhere.
expect on ip address add 192.0.2.1/32 dev lo

for source in memory:1G /var/lib/batonfs; do
	[ $source = memory:1G ] || expect on mkdir $source
	printf 'SOURCE=%s\nOPTIONS=suid,dev,exec,ttl=never,metrics=0.0.0.0:9464\n' $source | on tee /etc/batonfs/data-tmp.conf >/dev/null
	expect on systemctl start "$unit"
	expect_eq "$wanted" "$(status_of /data/tmp 'd["passthrough"], d["passthrough_why"]')" "passthrough on $source"
	expect_eq ok "$(fetch 127.0.0.1:9464/healthz)" "health on $source"
	expect_match batonfs_build_info "$(fetch 127.0.0.1:9464/metrics)" "metrics on $source"
	expect_eq "denied" "$(fetch 192.0.2.1:9464/healthz)" "health from elsewhere"
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
