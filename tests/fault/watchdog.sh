#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: ext4-on
# builds: ci
#
# watchdog=: a process that answers nobody is replaced, the log is told what its threads were at, and whoever asked gets his
# answer; one that is at something that takes long is left alone, and so is one whose store hangs.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

export BATONFS_FAULT_HANG=$WORK/hang
log=$WORK/daemon.log

# said REGEX: in the log, by now
said() {
	grep -qE "$1" "$log"
}

mount_batonfs -o takeover=on,watchdog=1s,threads=2
mkdir -p "$MNT/1"
echo hello >"$MNT/1/f"
expect_eq 0 "$(status 'd["hung"]')"

# ---- stopped ----

worker=$(status 'd["worker"]')
kill -STOP "$worker"
expect_eq hello "$(cat "$MNT/1/f")" "what a process read that was stopped"
expect_eq "1 1" "$(status 'd["hung"], d["takeovers"]' | tr -d '(),')" "hung, takeovers"
expect_eq 1 "$(sed -n 's/^batonfs_takeovers_hung_total //p' "$MNT/.baton/metrics")"
wait_until 10 said "no request has been answered for 1000 ms pid=$worker\$"
wait_until 10 said "thread tid=[0-9]+ name=reader state=T"

# ---- one hangs with a file's lock held, the other one waits for that ----

worker=$(status 'd["worker"]')
echo open >"$WORK/hang"
cat "$MNT/1/f" >"$WORK/first" &
first=$!
wait_until 20 eval '[ ! -e "$WORK/hang" ]'
expect_eq hello "$(cat "$MNT/1/f")" "the second"
expect wait $first
expect_eq hello "$(cat "$WORK/first")" "the first"
expect_eq 2 "$(status 'd["hung"]')"
wait_until 10 said "thread tid=[0-9]+ name=reader state=. .*request=OPEN nodeid=[0-9]+ .* pid=[0-9]+ uid=0 at .*fault_hang\+0x[0-9a-f]+ < .*op_open\+"
wait_until 10 said "name=reader state=S .*request=OPEN .* at .*mutex_lock\+0x[0-9a-f]+ < .*op_open\+"

# ---- a file is hashed, all the time, and both threads write ----

worker=$(status 'd["worker"]')
truncate -s 8G "$MNT/1/large"
python3 - "$MNT/1" <<'PYTHON' || fail "a hash that takes long"
import os, sys, threading, time
end = time.monotonic() + 2.5
def hashing():
    while time.monotonic() < end:
        os.getxattr(f"{sys.argv[1]}/large", "user.baton.xxh3")
        os.utime(f"{sys.argv[1]}/large")
        with open(f"{sys.argv[1]}/large", "r+b") as f:
            f.write(os.urandom(8))
threads = [threading.Thread(target=hashing) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
PYTHON
expect_eq "$worker 2" "$(status 'd["worker"], d["hung"]' | tr -d '(),')" "who serves after long hashes"

# ---- the guardian, and all of it, stand still: a machine that was suspended ----

guardian=$(daemon_pid)
pids="$worker $(pgrep -P "$guardian" -x batonfs-probe)" # one that was killed may be among its children still
# shellcheck disable=SC2086 # several
kill -STOP "$guardian" $pids
for pid in $guardian $pids; do
	wait_until 10 stopped "$pid"
done
sleep 1.5
# shellcheck disable=SC2086
kill -CONT "$guardian" $pids
expect_eq hello "$(cat "$MNT/1/f")"
expect_eq "$worker 2" "$(status 'd["worker"], d["hung"]' | tr -d '(),')" "who serves after a pause"

# ---- the one that asks is killed: there is another one ----

prober=$(pgrep -P "$guardian" -x batonfs-probe)
kill -9 "$prober"
probes_again() {
	[ "$(pgrep -P "$guardian" -x batonfs-probe)" != "$prober" ] && pgrep -P "$guardian" -x batonfs-probe >/dev/null
}
wait_until 20 probes_again
kill -STOP "$worker"
expect_eq hello "$(cat "$MNT/1/f")"
expect_eq 3 "$(status 'd["hung"]')"

# Both stand still; the guardian first, which would kill the other one.
stop_both() {
	local pid

	for pid in $guardian $worker; do
		kill -STOP "$pid"
		wait_until 10 stopped "$pid"
	done
}

# ---- killed while it waited: its question is not answered for ever, and nobody's fault ----

probing() {
	prober=$(pgrep -n -P "$guardian" -x batonfs-probe) && grep -q request_wait_answer "/proc/$prober/stack"
}
worker=$(status 'd["worker"]')
stop_both
wait_until 10 probing
kill -9 "$prober"
kill -CONT "$worker" "$guardian"
wait_until 20 probes_again
expect_eq "$worker 3" "$(status 'd["worker"], d["hung"]' | tr -d '(),')" "who serves after a prober's death"

# ---- debugged: whoever does that wants it to live; until he lets it go as it is ----

stop_both
python3 - "$worker" <<'PYTHON' &
import ctypes, sys, time
PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
if libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None) != 0:
    sys.exit(1)
time.sleep(1000)
PYTHON
debugger=$!
traced() {
	gone $debugger && fail "cannot trace"
	grep -q "^TracerPid:[[:space:]]*$debugger\$" "/proc/$worker/status"
}
wait_until 10 traced
kill -CONT "$guardian"
wait_until 20 said "no request has been answered for 1000 ms pid=$worker: it is being debugged"
kill -9 $debugger
expect_eq hello "$(cat "$MNT/1/f")"
expect_eq 4 "$(status 'd["hung"]')" "hung, after a debugger"
