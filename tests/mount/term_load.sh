#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on ext4-off
# SIGTERM in the middle of all sorts of requests: the daemon ends soon, with 0, and nothing stays mounted,
# dead or alive.
. "$TESTS/lib/mount.sh"

cat >"$WORK/load.py" <<'END'
import os, shutil, sys
mnt, me = sys.argv[1:]
n = 0
while True:
    n += 1
    try:
        d = f"{mnt}/{me}{n % 7}"
        for i in range(20):
            with open(f"{d}/f{i}", "w") as f:
                f.write("x" * 5000)
        os.listdir(d)
        os.rename(f"{d}/f1", f"{d}/g")
        os.stat(f"{d}/f2")
        if n % 3 == 0:
            open(f"{mnt}/.baton/executions/{me}{n % 7}/release", "w").write("1")
        elif n % 3 == 1:
            for name in os.listdir(d):
                os.unlink(f"{d}/{name}")
    except OSError as e:
        if not os.path.ismount(mnt):
            break
END

for round in $(seq 6); do
	mount_batonfs -f
	pid=$(daemon_pid)
	clients=()
	for client in 1 2 3 4; do
		python3 "$WORK/load.py" "$MNT" $client &
		clients[client]=$!
	done
	# Somewhere in the midst of it.
	wait_until 20 test -e "$MNT/$((round % 4 + 1))$((round / 2))/f3"
	kill -TERM "$pid"
	wait_until 20 gone "$pid"
	wait "$pid"
	expect_eq 0 $? "exit code in round $round"
	! is_mounted || fail "still mounted in round $round: $(stat "$MNT" 2>&1 | head -n 1)"
	kill -9 "${clients[@]}" 2>/dev/null
	wait "${clients[@]}" 2>/dev/null
	unset "mount_pid[$MNT]"
done
