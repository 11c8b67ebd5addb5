#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# The unit after a crash: brought back, the dead mount away; also when that is all that is left. A mount that
# hangs is taken away, one that works is not. A configuration that cannot work is not tried again.
. "$TESTS/lib/service.sh"

unit=batonfs@data-tmp.service
machine_prepare
printf 'SOURCE=/var/lib/batonfs\n' >"$ROOT/etc/batonfs/data-tmp.conf"
mkdir "$ROOT/var/lib/batonfs" "$ROOT/var/lib/other"
# adjust LINE...: of the unit's section [Service].
adjust() {
	mkdir -p "$ROOT/etc/systemd/system/$unit.d"
	printf '%s\n' '[Unit]' StartLimitBurst=100 '[Service]' RestartSec=50ms "$@" \
		>"$ROOT/etc/systemd/system/$unit.d/test.conf"
	[ ! "$machine_pid" ] || expect on systemctl daemon-reload
}

adjust
machine_boot

property() {
	on systemctl show -P "$1" "$unit"
}

# state ACTIVE [RESULT]
state() {
	[ "$(property ActiveState)" = "$1" ] && [ "${2:-$(property Result)}" = "$(property Result)" ]
}

restarted() {
	[ "$(property NRestarts)" = "$1" ] && state active
}

mounts_there() {
	on grep -c " /data/tmp fuse.batonfs " /proc/self/mounts
}

stopped_there() {
	! on sh -c 'grep -h ^State: /proc/$0/task/*/status' "$1" | grep -qv "T (stopped)"
}

expect on systemctl start "$unit"
echo kept | on tee /data/tmp/4711/file >/dev/null || fail "write"
for times in 1 2; do
	expect on kill -9 "$(property MainPID)"
	wait_until 20 restarted $times
	expect_eq kept "$(on cat /data/tmp/4711/file)" "after kill -9"
	expect_eq 1 "$(mounts_there)" "mounts after kill -9"
done

# Its connection ended by hand; but `umount -f`, which begins with that, is an unmount.
connection=$(on sed -n 's|^[0-9]* [0-9]* 0:\([0-9]*\) / /data/tmp .*|\1|p' /proc/self/mountinfo)
# Newer versions of systemd have udev say when it is wanted, which is not here.
on mountpoint -q /sys/fs/fuse/connections || expect on mount -t fusectl none /sys/fs/fuse/connections
expect on sh -c "echo 1 >/sys/fs/fuse/connections/$connection/abort"
wait_until 20 restarted 3
expect_eq kept "$(on cat /data/tmp/4711/file)" "after an abort"
expect_eq 1 "$(mounts_there)" "mounts after an abort"
expect on umount -f /data/tmp
wait_until 20 state inactive success
expect on systemctl start "$unit"

# It is not to come back: no dead mount is left then, either.
adjust Restart=no
expect on kill -9 "$(property MainPID)"
wait_until 20 state failed signal
expect_eq 0 "$(mounts_there)" "mounts after kill -9 without a restart"

# Left by another: dead, then one that hangs.
for signal in KILL STOP; do
	expect on batonfs /var/lib/other /data/tmp -o takeover=off
	other=$(status_of /data/tmp 'd["pid"]')
	expect on kill -$signal "$other"
	[ $signal = KILL ] || wait_until 10 stopped_there "$other"
	expect on systemctl start "$unit"
	expect_eq kept "$(on timeout 20 cat /data/tmp/4711/file)" "after a start over one that got SIG$signal"
	expect on systemctl stop "$unit"
	expect_eq 0 "$(mounts_there)" "mounts after a stop"
done
expect on kill -9 "$other"

# One of its own that hangs.
adjust
expect on systemctl start "$unit"
main=$(property MainPID)
expect on kill -STOP "$main"
wait_until 10 stopped_there "$main"
expect on systemctl kill --signal=KILL "$unit"
wait_until 20 restarted 1
expect_eq 1 "$(mounts_there)" "mounts after a daemon that hung"
expect on systemctl stop "$unit"

# One that works is in the way: it stays, and the unit fails.
expect on batonfs memory:10M /data/tmp
echo mine | on tee /data/tmp/mine >/dev/null || fail "write"
expect_fail on systemctl start "$unit" 2>/dev/null
expect on systemctl stop "$unit"
expect_eq mine "$(on cat /data/tmp/mine)" "a mount that was in the way"
expect on umount /data/tmp

# Wrong configuration: one line that says so, no second try.
printf 'OPTIONS=colour=red\n' >"$ROOT/etc/batonfs/data-tmp.conf"
expect_fail on systemctl start "$unit" 2>/dev/null
expect_eq "failed 2 0" "$(property ActiveState) $(property ExecMainStatus) $(property NRestarts)"
expect_match "unknown option 'colour'" "$(on journalctl -q -o cat -u "$unit" -n 20)" "journal"

# The file of an instance whose name needs escapes.
mkdir -p "$ROOT/data/my-dir/two words" "$ROOT/etc/batonfs/data/my-dir" "$ROOT/var/lib/third"
printf 'SOURCE=/var/lib/third\n' |
	tee "$ROOT/etc/batonfs/data/my-dir.conf" >"$ROOT/etc/batonfs/data/my-dir/two words.conf"
for mountpoint in /data/my-dir "/data/my-dir/two words"; do
	name=batonfs@$(on systemd-escape --path "$mountpoint").service
	expect on systemctl start "$name"
	expect_eq /var/lib/third "$(on findmnt -no SOURCE "$mountpoint")" "store of $name"
	expect on systemctl stop "$name"
done
