#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# takeover=off under a service manager's watchdog: a request of the process's own feeds it, and a daemon whose only thread hangs
# feeds it no more, says so, and is given no excuse: the thread that looks runs, but serves nobody.
. "$TESTS/lib/mount.sh"

export BATONFS_FAULT_HANG=$WORK/hang
python3 -u - "$WORK" <<'PYTHON' >"$WORK/told" &
import socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.bind(f"{sys.argv[1]}/notify")
    while True:
        print(s.recv(4096).decode())
PYTHON
manager=$!
wait_until 10 test -S "$WORK/notify"

# told N: so often that it answers
told() {
	[ "$(grep -c '^WATCHDOG=1$' "$WORK/told")" -ge "$1" ]
}
said() {
	grep -qE "$1" "$WORK/daemon.log"
}

NOTIFY_SOCKET=$WORK/notify WATCHDOG_USEC=3000000 mount_batonfs -o takeover=off,threads=1
mkdir "$MNT/1"
echo x >"$MNT/1/f"
wait_until 20 told 2
echo open >"$WORK/hang"
cat "$MNT/1/f" 2>"$WORK/err" &
reader=$!
wait_until 20 said "no request has been answered for 1000 ms pid=$(daemon_pid)\$"
wait_until 20 said "name=reader state=S .* at .*fault_hang\+"
fed=$(grep -c '^WATCHDOG=1$' "$WORK/told")
expect [ ! -e "$WORK/hang" ]
kill_batonfs
expect_fail wait $reader
expect_eq "$fed" "$(grep -c '^WATCHDOG=1$' "$WORK/told")" "fed by one that hangs"
kill $manager
