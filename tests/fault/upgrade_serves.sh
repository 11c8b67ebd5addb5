#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on ext4-off
# builds: ci asan
#
# While another program is in the guardian's place and has no worker of its own yet, the one of the program before serves. Whatever is
# opened then, and whoever dies, nothing of that is lost.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mkdir "$WORK/bin"
program=$WORK/bin/batonfs

# So long the program before serves, ns: until it is done with. The new program's worker that waits dies, by a name that only that has.
export BATONFS_FAULT_WARM=60000000000 BATONFS_FAULT=xpare_begins
install_program() {
	sed "${1-}" "$BATONFS" >"$program.new"
	chmod 755 "$program.new"
	mv "$program.new" "$program"
}

waits() {
	holder=$(pgrep -P "$guardian" -x batonfs-spare) && [ "$(ls "/proc/$holder/task" 2>/dev/null | wc -l)" = 2 ]
}

is_new() {
	tr '\0' ' ' <"/proc/$guardian/cmdline" | grep -q -- --takeover=
}

ask() {
	"$BATON" -m "$MNT" upgrade >"$WORK/said" 2>&1 &
	asks=$!
}

# begin ASK...: an upgrade, and this goes on when the new program is there and the old one's worker serves.
begin() {
	install_program
	BATONFS=$program mount_batonfs -f -o takeover=on,ttl=2h
	guardian=$(daemon_pid)
	wait_until 30 waits
	worker=$(worker_pid)
	echo one >"$MNT/1/before"
	exec 3<>"$MNT/1/before"
	rm "$MNT/1/before"
	install_program 's/spare_begins/xpare_begins/g'
	"$@"
	wait_until 30 is_new
	expect_eq "$worker" "$(status 'd["worker"]')" "who serves"
}

# What is opened, made and changed meanwhile: by that worker, into a table of descriptors that the guardian does not have.
use() {
	expect_eq one "$(cat <&3)" "a file that was unlinked before"
	echo two >"$MNT/1/gone"
	echo three >"$MNT/1/there"
	exec 4<"$MNT/1/gone" 5<>"$MNT/1/there" 6<"$MNT/.baton/status.json" 7>"$MNT/1/lock"
	rm "$MNT/1/gone"
	expect flock -n 7
	expect "$BATON" -m "$MNT" config ttl=77m
}

# serves TAKEOVERS
serves() {
	wait_until 30 eval "status 'd[\"upgrades\"]' | grep -qx 1"
	wait $asks
	expect_eq 0 $? "status of who asked for the upgrade: $(cat "$WORK/said")"
	expect_eq "$1" "$(status 'd["takeovers"]')" "takeovers"
	expect_eq two "$(cat <&4)" "an unlinked file"
	expect_match '"worker"' "$(cat <&6)" "a control file"
	expect_eq three "$(cat <&5)"
	echo four >&5
	expect_eq "three four" "$(tr '\n' ' ' <"$MNT/1/there" | sed 's/ $//')" "what was appended"
	expect_fail flock -n "$MNT/1/lock" true
	exec 3>&- 4<&- 5>&- 6<&- 7>&-
	expect flock -n "$MNT/1/lock" true
	expect grep -q "^ttl = 77m # changed at run time" "$MNT/.baton/config"
	wait_until 10 gone "$holder"
	wait_until 10 gone "$worker"
	all_closed() {
		[ "$(status 'd["open"]')" = 0 ]
	}
	wait_until 20 all_closed
	unmount_batonfs
}

# ---- it is killed ----

begin ask
use
kill -9 "$worker"
serves 0 # one comes for both
grep -q "worker died pid=$worker signal=9" "$WORK/daemon.log" || fail "the log does not tell of its death"

# ---- who waited, and has its descriptors now, is ----

begin ask
use
kill -9 "$holder"
serves 0 # one comes for both

# ---- it leaves when a worker of the new program waits, or in time ----

export BATONFS_FAULT_WARM=2000000000
begin ask
use
serves 0
export BATONFS_FAULT_WARM=60000000000

# ---- the mount ends ----

for how in fusermount3 TERM; do
	begin eval 'kill -USR2 "$guardian"' # who waits for an answer would keep the mount busy
	use
	exec 3>&- 4<&- 5>&- 6<&- 7>&-
	if [ $how = TERM ]; then
		kill -TERM "$guardian"
	else
		wait_until 10 fusermount3 -u "$MNT"
	fi
	wait "$guardian"
	expect_eq 0 $? "exit status, ended by $how"
	wait_until 10 gone "$holder"
	unset "mount_pid[$MNT]"
done
exit 0
