#!/bin/bash
# SPDX-License-Identifier: MIT
# -f stays in the foreground and tells a supervisor: ready when the mount answers, stopping when it ends.
# SIGTERM, SIGINT and an unmount all end it with 0 and leave nothing mounted, also while it is in use.
. "$TESTS/lib/mount.sh"

cat >"$WORK/notify.py" <<'END'
import os, signal, socket, subprocess, sys
program, store, mnt, options, how = sys.argv[1:]
path = os.environ["WORK"] + "/notify"
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
s.settimeout(30)
p = subprocess.Popen([program, "-f", store, mnt] + (["-o", options] if options else []), stdin=subprocess.DEVNULL,
                     env=dict(os.environ, NOTIFY_SOCKET=path))
message = s.recv(4096).decode().split("\n")
assert "READY=1" in message, message
assert open(f"{mnt}/.baton/version").read().startswith("batonfs "), "ready, but does not answer"
held = open(f"{mnt}/held", "w") if how.endswith("busy") else None
if how == "unmount":
    subprocess.run(["fusermount3", "-u", mnt], check=True)
else:
    p.send_signal(signal.SIGINT if how == "int" else signal.SIGTERM)
message = s.recv(4096).decode().split("\n")
assert "STOPPING=1" in message, message
status = p.wait(30)
assert status == 0, status
assert f" {mnt} " not in open("/proc/self/mounts").read(), "still mounted"
assert os.listdir(mnt) == []
os.unlink(path)
END
for how in term int unmount term-busy; do
	expect env WORK="$WORK" python3 "$WORK/notify.py" "$BATONFS" "$STORE" "$MNT" "$OPTS" $how 2>>"$WORK/daemon.log"
done

# In the background it returns when the mount answers, whatever it was started from.
mount_batonfs
[ -e "$MNT/.baton/version" ] || fail "returned, but does not answer"
expect_eq "$(readlink "/proc/$(daemon_pid)/root")" "$(readlink "/proc/$(daemon_pid)/cwd")" "working directory"
expect unmount_batonfs

# Whoever collects what it says is not kept waiting.
said=$(timeout 20 "$BATONFS" "$STORE" "$MNT" ${OPTS:+-o "$OPTS"} 2>&1 </dev/null) || fail "exit $?: $said"
mount_pid[$MNT]=$(grep -o '"pid": *[0-9]*' "$MNT/.baton/status.json" | tr -dc 0-9)
kill -TERM "$(daemon_pid)"
wait_until 10 gone "$(daemon_pid)"
! is_mounted || fail "still mounted after SIGTERM"
