#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# The unit: started when the mount answers, restarted, enabled over a reboot, stopped with nothing left, also
# when it is in use or was unmounted by hand; upgraded by a reload.
. "$TESTS/lib/service.sh"

unit=batonfs@data-tmp.service
machine_prepare
printf 'source = /var/lib/batonfs\nttl = 30m # half an hour\n' >"$ROOT/etc/batonfs/data-tmp.conf"
mkdir "$ROOT/var/lib/batonfs"
machine_boot

# property NAME: of the unit
property() {
	on systemctl show -P "$1" "$unit"
}

answers() {
	on test -e /data/tmp/.baton/version
}

is_mounted_there() {
	on grep -q " /data/tmp fuse.batonfs " /proc/self/mounts
}

# What a stop leaves: nothing mounted, a unit that has not failed.
expect_stopped() {
	! is_mounted_there || fail "still mounted after: $1"
	expect_eq "inactive success 0" "$(property ActiveState) $(property Result) $(property ExecMainStatus)" "state after: $1"
}

said=$(on systemd-analyze verify --man=no "$unit" 2>&1) || fail "systemd-analyze verify: $said"
expect_eq "" "$(grep batonfs <<<"$said")" "systemd-analyze verify"
# What the unit could deny and does not is what batonfs needs; a new release of systemd may know more.
said=$(on systemd-analyze security --offline=true --threshold=50 "/lib/systemd/system/${unit/data-tmp/}" 2>&1) ||
	fail "systemd-analyze security: $(tail -n 1 <<<"$said")"
expect on systemctl start "$unit"
answers || fail "started, but does not answer"
expect_eq "mounted" "$(property StatusText)"
expect_eq 1800.0 "$(status_of /data/tmp 'd["ttl"]')"
echo kept | on tee /data/tmp/4711/file >/dev/null || fail "write"

expect on systemctl restart "$unit"
expect_eq kept "$(on cat /data/tmp/4711/file)" "after restart"

expect on systemctl stop "$unit"
expect_stopped "systemctl stop"

# While somebody has a file open.
expect on systemctl start "$unit"
hold /data/tmp/4711/open
expect on systemctl stop "$unit"
expect_stopped "systemctl stop while a file is open"
expect on systemctl start "$unit"
expect_eq kept "$(on cat /data/tmp/4711/file)" "after a stop while a file was open"

expect on umount /data/tmp
wait_until 10 eval '[ "$(property ActiveState)" = inactive ]'
expect_stopped umount

# Over a reboot; what was mounted went down in time.
expect on systemctl enable --now "$unit"
answers || fail "enabled, but does not answer"
machine_reboot
answers || fail "does not answer after a reboot"
expect_eq kept "$(on cat /data/tmp/4711/file)" "after a reboot"
expect_eq clean "$(status_of /data/tmp 'd["ledger"]["state"]')" "ledger after a reboot"

# A reload is an upgrade: unless takeover=off, to what can go on with it.
cp "$ROOT/etc/batonfs/data-tmp.conf" "$WORK/data-tmp.conf"
echo 'takeover = off' >>"$ROOT/etc/batonfs/data-tmp.conf"
expect on systemctl restart "$unit"
expect_fail on systemctl reload "$unit"
expect_eq active "$(property ActiveState)"
cp "$WORK/data-tmp.conf" "$ROOT/etc/batonfs/data-tmp.conf"
expect on systemctl restart "$unit"
pid=$(property MainPID)
worker=$(status_of /data/tmp 'd["worker"]')
version=$(status_of /data/tmp 'd["version"]')

# install_program SED
install_program() {
	sed "$1" "$BUILD/batonfs" >"$ROOT/usr/bin/batonfs.new"
	chmod 755 "$ROOT/usr/bin/batonfs.new"
	mv "$ROOT/usr/bin/batonfs.new" "$ROOT/usr/bin/batonfs"
}

install_program 's/keep format [0-9],/keep format 9,/g'
expect_fail on systemctl reload "$unit"
expect_eq "active $worker" "$(property ActiveState) $(status_of /data/tmp 'd["worker"]')" "after a refusal"
install_program "s/$version/${version%?}x/g"
expect on systemctl reload "$unit"
expect_eq "active running mounted $pid" "$(property ActiveState) $(property SubState) $(property StatusText) $(property MainPID)"
expect_eq "${version%?}x" "$(status_of /data/tmp 'd["version"]')"
expect_eq kept "$(on cat /data/tmp/4711/file)" "after a reload"
expect on kill -USR2 "$pid"
upgraded() {
	[ "$(status_of /data/tmp 'd["upgrades"]') $(property SubState)" = "2 running" ]
}
wait_until 20 upgraded
expect on systemctl stop "$unit"
expect_stopped "systemctl stop after upgrades"

# What documents show of it, as it stands there (tests/lib/commands.txt): each mounts what it says.
mkdir -p "$ROOT"/srv
commands_of() {
	python3 "$TESTS/lib/commands.py" service/unit "$1"
}
unmount_all() {
	local mountpoint name

	for mountpoint in $(on findmnt -nl -t fuse.batonfs -o TARGET); do
		expect on test -e "$mountpoint/.baton/version"
		name=batonfs@$(on systemd-escape --path "$mountpoint").service
		on systemctl disable -q --now "$name" 2>/dev/null
		! on mountpoint -q "$mountpoint" || expect on umount "$mountpoint"
	done
}
for document in $(sed -n 's/^\([^#| ]*\) |.*| service\/unit$/\1/p' "$TESTS/lib/commands.txt" | sort -u); do
	[ "$(commands_of "$document")" ] || fail "$document: no commands"
	while IFS= read -r command; do
		[[ ! $command =~ ^(mount|systemctl) ]] || unmount_all
		said=$(on bash -c "${command//\\n/$'\n'}" 2>&1) || fail "$document: \`$command\`: $said"
	done < <(commands_of "$document")
	unmount_all
done
