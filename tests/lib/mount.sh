# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts of tests/mount and tests/fault, which tests/run starts with
#
#     BATONFS BATON     the programs under test
#     STORE STORE_KIND  the source to mount (memory:2G, or an empty directory) and what it is on
#     OPTS              options of this variant of the test, "" or passthrough=off
#     MNT               an empty directory to mount on
#     WORK              scratch directory, private to the test; daemon.log goes here
#     BUILD TESTS       compiled test programs are in $BUILD/tests; TESTS is the source tree's tests/
#     SANITIZER         asan, tsan or empty: sanitized builds are several times slower
#
# A script tests one behaviour. It ends with 0 (passed), 77 (skipped) or anything else (failed); what
# it prints is shown only if it fails. Whatever is mounted or running when it ends is cleaned up.
# Comments that tests/run obeys, one per line, before the first command:
#
#     # timeout: 120             seconds, default 60; sanitized builds get four times as much
#     # variants: memory-on      run only on these of the variants
#     # builds: ci asan          run only in these of the builds
#     # alone                    run while no other test runs: it measures time or fills the machine
#     # waits                    that is most of what it does: run one at a time, beside the others
#     # expect-log: REGEX        error lines of the daemon that are part of the test
#
# batonfs keeps stderr when it puts itself in the background if that is a file: daemon.log is one.
set -u

PATH=$PATH:$BUILD/tests
declare -A mount_pid=() # mountpoint: process id of its daemon

fail() {
	echo "FAIL: $*"
	exit 1
}

skip() {
	echo "skipped: $*"
	exit 77
}

# expect COMMAND...: it must succeed.
expect() {
	"$@" || fail "$* (exit $?)"
}

# expect_fail COMMAND...: it must not.
expect_fail() {
	! "$@" || fail "succeeded but must not: $*"
}

# expect_errno ENAME COMMAND...: it must fail and say so with this error's text.
expect_errno() {
	local name=$1 text out
	shift

	text=$(python3 -c "import errno, os; print(os.strerror(errno.$name))") || fail "no errno $name"
	if out=$(LC_ALL=C "$@" 2>&1); then
		fail "succeeded, $name expected: $*"
	fi
	[[ $out == *"$text"* ]] || fail "$name ($text) expected of: $*; it said: $out"
}

# expect_eq WANTED GOT [WHAT]
expect_eq() {
	[ "$1" = "$2" ] || fail "${3:-value}: expected '$1', got '$2'"
}

# expect_match REGEX TEXT [WHAT]
expect_match() {
	[[ $2 =~ $1 ]] || fail "${3:-text}: expected to match '$1', got '$2'"
}

# wait_until SECONDS COMMAND...: it must succeed within that time, or as many times that as tests/run is patient; asked
# every 20 ms.
wait_until() {
	local seconds=$1 end
	shift

	end=$(($(date +%s%N) + $(printf '%.0f' "${seconds}e9") * PATIENCE))
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || fail "not within $seconds s: $*"
		sleep 0.02
	done
}

# A process that waits for its parent to collect it is gone for our purposes, but only with its last thread:
# until then it holds what it has open.
gone() {
	local state

	state=$(sed -n 's/^\(State\|Threads\):[[:space:]]*\([^[:space:]]*\).*/\2/p' "/proc/$1/status" 2>/dev/null | tr '\n' ' ')
	[ -z "$state" ] || [ "$state" = "Z 1 " ] || [ "$state" = "Z 0 " ]
}

# All threads of a process have taken notice of SIGSTOP. Those that have not still serve requests.
stopped() {
	! grep -h ^State: /proc/"$1"/task/*/status | grep -qv "T (stopped)"
}

# run_as UID COMMAND...: with that uid and gid and no other group.
run_as() {
	local id=$1
	shift

	setpriv --reuid "$id" --regid "$id" --clear-groups "$@"
}

# Go on in a mount namespace of this script's own, for mounts that others must not see. It is a copy, so the
# mounts of other tests go from it at once: their daemons would not end while we have them.
own_namespace() {
	local mnt

	[ "${IN_NAMESPACE-}" ] || IN_NAMESPACE=1 exec unshare --mount bash "$0" "$@"
	while read -r _ mnt _; do
		umount -l "$(printf %b "$mnt")" 2>/dev/null
	done < <(grep ' fuse' /proc/self/mounts)
}

is_mounted() {
	grep -q " $MNT fuse.batonfs " /proc/self/mounts
}

# Process id of the daemon mounted on $MNT by mount_batonfs.
daemon_pid() {
	echo "${mount_pid[$MNT]:?nothing mounted on $MNT}"
}

# mount_batonfs [-f] [-o OPTIONS] [ARGUMENT...]: mount $STORE on $MNT and return when it answers. With
# -f the daemon stays a child of the script, which can then `wait` for its exit code. For a second
# mount: STORE=... MNT=... mount_batonfs.
mount_batonfs() {
	local foreground='' options=$OPTS
	local args=()

	while [ $# -gt 0 ]; do
		case $1 in
		-f) foreground=1 ;;
		-o) options=${options:+$options,}$2; shift ;;
		*) args+=("$1") ;;
		esac
		shift
	done
	args=("$STORE" "$MNT" ${options:+-o "$options"} "${args[@]}")
	if [ "$foreground" ]; then
		"$BATONFS" -f "${args[@]}" </dev/null >>"$WORK/daemon.log" 2>&1 &
		mount_pid[$MNT]=$!
		wait_until 30 mount_answers
	else
		"$BATONFS" "${args[@]}" </dev/null >>"$WORK/daemon.log" 2>&1 ||
			fail "batonfs ${args[*]}: exit $?: $(tail -n 3 "$WORK/daemon.log")"
		is_mounted || fail "batonfs returned, but $MNT is not mounted"
		mount_pid[$MNT]=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$MNT/.baton/status.json")
	fi
	[ "${mount_pid[$MNT]}" ] || fail "no pid in $MNT/.baton/status.json"
}

mount_answers() {
	gone "${mount_pid[$MNT]}" && fail "the daemon died: $(tail -n 3 "$WORK/daemon.log")"
	[ -e "$MNT/.baton/version" ]
}

# Unmount $MNT and wait until its daemon is gone, so that the store can be mounted again.
unmount_batonfs() {
	local pid

	pid=$(daemon_pid)
	wait_until 10 fusermount3 -u "$MNT"
	wait_until 30 gone "$pid"
	unset "mount_pid[$MNT]"
}

# The worker of $MNT: of the guardian's children of that name the youngest, but for one that has just been forked to wait
# (batonfs-spare), and is one thread of no other name yet: it has one when it has a second thread. A dead one may still be there
# for its last thread.
worker_pid() {
	local pid

	for pid in $(pgrep -P "$(daemon_pid)" -x batonfs | sort -rn); do
		[ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -gt 1 ] && grep -qsx batonfs "/proc/$pid/comm" && echo "$pid" && return
	done
	return 1
}

# The processes of the daemon of $MNT that do something: the guardian first, if there is one.
daemon_pids() {
	daemon_pid
	worker_pid
}

# Have the daemon of $MNT stand still, and go on. The guardian first: it would take a worker that is still for one that hangs.
stop_batonfs() {
	local pid

	for pid in $(daemon_pids); do
		kill -STOP "$pid"
		wait_until 10 stopped "$pid"
	done
}

continue_batonfs() {
	kill -CONT $(daemon_pids)
}

# kill -9 the daemon PID; the guardian first stands still, so that it starts no other worker.
kill_daemon() {
	local worker

	kill -STOP "$1"
	for worker in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		kill -9 "$worker"
	done
	kill -9 "$1"
}

# kill -9 the daemon of $MNT and take the dead mount away.
kill_batonfs() {
	local pid

	pid=$(daemon_pid)
	kill_daemon "$pid"
	wait_until 10 gone "$pid"
	is_mounted && fusermount3 -uz "$MNT"
	unset "mount_pid[$MNT]"
}

mount_cleanup() {
	local status=$? mnt child

	trap - EXIT
	for mnt in "${!mount_pid[@]}"; do
		# A reader that still runs would keep it busy.
		for child in $(jobs -p); do
			[ "$child" = "${mount_pid[$mnt]}" ] && continue
			kill -9 "$child" 2>/dev/null && wait "$child" 2>/dev/null
		done
		MNT=$mnt
		if is_mounted && ! fusermount3 -u "$mnt" 2>/dev/null; then
			[ $status -ne 0 ] || { echo "FAIL: $mnt is busy at the end of the test"; status=1; }
			fusermount3 -uz "$mnt"
		fi
		(wait_until 10 gone "${mount_pid[$mnt]}") >/dev/null || kill -9 "${mount_pid[$mnt]}"
	done
	exit $status
}
trap mount_cleanup EXIT
trap 'exit 1' INT TERM HUP
