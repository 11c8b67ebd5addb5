# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# timeout: 120
# variants: memory-on ext4-on ext4-off
# builds: ci
# expect-log: workers die one after the other; giving up
#
# takeover=on: whoever uses the mount sees nothing of it when the process that serves it is killed, at any moment; open,
# unlinked and locked files stay what they are. When the guardian goes the mount ends, and so it does when workers die
# one after the other.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# Kill the worker with SIGNAL, and wait until another one answers.
kill_worker() {
	local before
	before=$(status 'd["takeovers"]')

	kill -"$1" "$(worker_pid)"
	expect_eq $((before + 1)) "$(status 'd["takeovers"]')" "takeovers"
}

# metric NAME: its value.
metric() {
	sed -n "s/^$1 //p" "$MNT/.baton/metrics"
}

export BATONFS_FAULT_HANG=$WORK/hang
mount_batonfs -o takeover=on
expect_eq 0 "$(status 'd["takeovers"]')"
expect_eq "0 0" "$(metric batonfs_takeovers_total) $(metric batonfs_takeover_seconds_total | sed 's/^0.0*$/0/')"

# ---- what somebody has ----

mkdir -p "$MNT/1/d" "$MNT/_/work"
echo one >"$MNT/1/open"
echo gone >"$MNT/1/gone"
exec 3<>"$MNT/1/open" 4<"$MNT/1/gone" 5<"$MNT/.baton/status.json"
rm "$MNT/1/gone"
exec 6>"$MNT/1/lock"
expect flock -n 6
exec 7>>"$MNT/1/appended"
echo before >&7
cd "$MNT/1/d" || fail cd
kill_worker KILL
echo after >&7
expect_eq "before after" "$(tr '\n' ' ' <"$MNT/1/appended" | sed 's/ $//')" "what was appended"
expect_eq gone "$(cat <&4)" "an unlinked file"
expect_match '"pid"' "$(cat <&5)" "a control file"
expect_fail flock -n "$MNT/1/lock" true
echo two >&3
expect_eq two "$(cat "$MNT/1/open")"
echo x >new
expect_eq "$MNT/1/d" "$(pwd -P)"
expect_eq x "$(cat "$MNT/1/d/new")"
expect mv "$MNT/1/d/new" "$MNT/1/new"
exec 3>&- 4<&- 5<&- 6>&- 7>&-
cd / || fail cd
expect flock -n "$MNT/1/lock" true
kill_worker SEGV
expect_eq "appended d lock new open" "$(ls "$MNT/1" | tr '\n' ' ' | sed 's/ $//')"

# A name that the kernel knows stays what it is: somebody's directory, and what is mounted upon another.
mkdir "$MNT/1/mounted"
echo below >"$WORK/below"
expect mount --bind "$WORK" "$MNT/1/mounted"
cd "$MNT/1" || fail cd
kill_worker KILL
stopped=$(worker_pid)
kill -STOP "$stopped"
wait_until 10 stopped "$stopped"
stat "$MNT/1" >"$WORK/out" 2>&1 &
asking=$!
answered_or_asking() {
	gone "$asking" || grep -q request_wait_answer "/proc/$asking/stack"
}
wait_until 10 answered_or_asking
here=$(/bin/pwd -P)
kill -CONT "$stopped"
wait "$asking" || fail "stat: $(cat "$WORK/out")"
expect_eq "$MNT/1" "$here" "the directory of a process"
cd / || fail cd
expect_eq below "$(cat "$MNT/1/mounted/below")"
expect umount "$MNT/1/mounted"
expect rmdir "$MNT/1/mounted"

# Names that are gone, of which a worker dies before it has told anybody.
for point in names-moved name-expires; do
	mkdir "$MNT/7"
	echo x | tee "$MNT/7/x" >"$MNT/7_flat"
	expect_eq "x x" "$(cat "$MNT/7/x" "$MNT/7_flat" | xargs)"
	expect stat "$MNT/7/x" "$MNT/7_flat" >"$WORK/out" # kept by the kernel from now on
	echo $point >"$WORK/hang"
	release 7 &
	releasing=$!
	wait_until 10 test ! -e "$WORK/hang"
	kill_worker KILL
	wait $releasing || fail "$point: release"
	expect_fail stat "$MNT/7/x" "$MNT/7_flat"
	expect_fail stat "$MNT/7_flat"
	expect_eq "" "$(ls "$MNT/7" && cd "$MNT" && ls -d 7_*)"
done

# One that ends by itself, as a library or a sanitizer has it do, has not been killed.
echo x >"$MNT/1/exits"
last=$(worker_pid)
echo open 66 >"$WORK/hang"
expect_eq x "$(cat "$MNT/1/exits")"
ended_by_itself() {
	grep -q "worker ended by itself pid=$last status=66," "$WORK/daemon.log"
}
wait_until 10 ended_by_itself

expect_eq 6 "$(metric batonfs_takeovers_total)"
expect_match '^[0-9]+\.0*[1-9]' "$(metric batonfs_takeover_seconds_total)"

expect "$BATON" -m "$MNT" config ttl=77m
kill_worker KILL
expect grep -q "^ttl = 77m #" "$MNT/.baton/config"

# ---- many directories ----

# Those that it has open are closed behind the next one, and those of one that is killed meanwhile.
descriptors() {
	ls "/proc/$(daemon_pid)/fd" | wc -l
}
few_descriptors() {
	[ "$(descriptors)" -lt 200 ]
}
many_descriptors() { # the kernel may forget them at any time, and the daemon with it
	touch "$MNT/2"/d{1..900}/f
	[ "$(descriptors)" -gt 300 ] || { echo "descriptors $(descriptors), $(metric batonfs_known_inodes) inodes known"; false; }
}
mkdir "$MNT/2"/d{1..900} || fail "making directories"
wait_until 20 many_descriptors
kill_worker KILL
kill_worker KILL
wait_until 20 few_descriptors
expect_eq 900 "$(ls -d "$MNT/2"/d*/f | wc -l)" "files"

# ---- at any moment ----

killing() {
	while [ ! -e "$WORK/done" ]; do
		kill -9 "$(worker_pid)" 2>/dev/null
		python3 -c 'import random, time; time.sleep(random.uniform(0.05, 0.3))'
	done
}

release 1
killing &
killer=$!
expect timeout 80 stress "$MNT" 6
touch "$WORK/done"
wait $killer
[ "$(status 'd["takeovers"]')" -gt 8 ] || fail "only $(status 'd["takeovers"]') takeovers"
stress_leaves _

# ---- the end ----

echo kept >"$MNT/_/kept"
sync -f "$MNT/_/kept"
guardian=$(daemon_pid)
last=$(worker_pid)
kill -9 "$guardian"
wait_until 20 gone "$last"
is_mounted && fail "still mounted without its guardian"
unset "mount_pid[$MNT]"

mount_batonfs -o takeover=on
[ "$STORE_KIND" = memory ] || expect_eq kept "$(cat "$MNT/_/kept")"
guardian=$(daemon_pid)
dying() {
	kill -ABRT "$(worker_pid)" 2>/dev/null
	gone "$guardian"
}
wait_until 30 dying
is_mounted && fail "still mounted though it was given up"
unset "mount_pid[$MNT]"
exit 0
