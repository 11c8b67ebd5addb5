#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# builds: ci
# The unit's watchdog: it is fed as long as requests are answered, also by a batonfs that took over from another one. A daemon
# that answers nobody is killed and started again; else its guardian is quicker, and nobody is told anything. While the disk
# hangs systemd is told so and is patient, also with a guardian whose worker was killed and cannot die.
. "$TESTS/lib/service.sh"
. "$TESTS/lib/freeze.sh"
trap 'thaw; machine_cleanup' EXIT

alone=batonfs@data-tmp.service
guarded=batonfs@data-two.service
machine_prepare
mkdir "$ROOT/var/lib/disk" "$ROOT/data/two"
truncate -s 64M "$WORK/disk.img"
expect mkfs.ext4 -q "$WORK/disk.img"
expect mount -o loop "$WORK/disk.img" "$ROOT/var/lib/disk"
mkdir "$ROOT/var/lib/disk/"{one,two}
printf 'SOURCE=/var/lib/disk/one\nOPTIONS=takeover=off,threads=1\n' >"$ROOT/etc/batonfs/data-tmp.conf"
printf 'SOURCE=/var/lib/disk/two\nOPTIONS=threads=1\n' >"$ROOT/etc/batonfs/data-two.conf"
for unit in $alone $guarded; do
	mkdir -p "$ROOT/etc/systemd/system/$unit.d"
	printf '%s\n' '[Unit]' StartLimitBurst=100 '[Service]' RestartSec=50ms WatchdogSec=6s TimeoutAbortSec=1s \
		>"$ROOT/etc/systemd/system/$unit.d/test.conf"
done
machine_boot

# property UNIT NAME
property() {
	on systemctl show -P "$2" "$1"
}

restarts() {
	[ "$(property "$1" NRestarts)" = "$2" ] && [ "$(property "$1" ActiveState)" = active ]
}

# fed UNIT: from now on, so often
fed() {
	local unit=$1 times=$2 before

	for (( ; times > 0; times--)); do
		before=$(property "$unit" WatchdogTimestampMonotonic)
		wait_until 20 eval '[ "$(property '"$unit"' WatchdogTimestampMonotonic)" != '"$before"' ]'
	done
}

expect on systemctl start $alone $guarded
for mountpoint in /data/tmp /data/two; do
	echo kept | on tee $mountpoint/4711/file >/dev/null || fail "write"
done
fed $alone 2
fed $guarded 2

expect on systemctl reload $guarded
fed $guarded 2
expect_eq "1 mounted" "$(status_of /data/two 'd["upgrades"]') $(property $guarded StatusText)"

# Both stand still, one of them only in part.
main=$(property $alone MainPID)
guardian=$(property $guarded MainPID)
expect on kill -STOP "$main" "$(status_of /data/two 'd["worker"]')"
expect_eq kept "$(on timeout 30 cat /data/two/4711/file)" "what was asked of a process that stood still"
expect_eq "1 $guardian" "$(status_of /data/two 'd["hung"], d["pid"]' | tr -d '(),')" "hung, and who is there"
wait_until 30 restarts $alone 1
expect_eq kept "$(on timeout 30 cat /data/tmp/4711/file)" "after a restart"
expect_match "Watchdog timeout" "$(on journalctl -q -o cat -u $alone)" "journal of $alone"
expect_match "thread tid=[0-9]+ name=reader state=T" "$(on journalctl -q -o cat -u $guarded)" "journal of $guarded"
fed $alone 1
fed $guarded 1
expect_eq "1 0" "$(property $alone NRestarts) $(property $guarded NRestarts)" "restarts"

# Both write to a disk that hangs.
hangs() {
	[[ $(property "$1" StatusText) == "the store does not answer"* ]]
}
worker=$(status_of /data/two 'd["worker"]')
freeze "$ROOT/var/lib/disk"
expect on systemd-run -q bash -c 'echo written >/data/tmp/4711/late'
expect on systemd-run -q bash -c 'echo written >/data/two/4711/late'
wait_until 20 hangs $alone
wait_until 20 hangs $guarded
expect on kill -9 "$worker"
fed $guarded 3
fed $alone 1
thaw
for mountpoint in /data/tmp /data/two; do
	wait_until 20 eval '[ "$(on cat '$mountpoint'/4711/late)" = written ]'
done
expect_match "worker was killed and cannot end pid=[0-9]+: the store does not answer" "$(on journalctl -q -o cat -u $guarded)"
expect_eq "1 0 $guardian" "$(property $alone NRestarts) $(property $guarded NRestarts) $(property $guarded MainPID)" "restarts"
wait_until 20 eval '[ "$(property $alone StatusText) $(property $guarded StatusText)" = "mounted mounted" ]'
