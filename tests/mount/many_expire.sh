#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# alone
# variants: memory-on memory-off ext4-on
# 1 000 executions that expire in the same second are gone within two seconds of it, but for those that are
# open, mapped or pinned; `why` tells of each when it was due and when it went.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

count=1000
# Without passthrough the kernel keeps the file of a mapping open.
mount_batonfs -o ttl=10s
cat >"$WORK/many.py" <<'END'
import json, mmap, os, sys, time
mnt, count = sys.argv[1], int(sys.argv[2])
through_daemon = "passthrough=off" in os.environ["OPTS"]
slow = len(sys.argv) > 3
keep = {}
started = time.time()
for i in range(1, count + 1):
    for path in f"{mnt}/{i}/input.bin", f"{mnt}/{i}_flat":
        with open(path, "w") as f:
            f.write(str(i))
for i in 100, 200, 300:
    keep[i] = "pinned"
    with open(f"{mnt}/.baton/executions/{i}/pinned", "w") as f:
        f.write("1")
held = []
for i in 400, 500, 600:
    keep[i] = "open"
    held.append(open(f"{mnt}/{i}_flat"))
for i in 700, 800, 900:
    keep[i] = "mapped"
    with open(f"{mnt}/{i}/input.bin") as f:
        held.append(mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ))
        for n in map(int, os.listdir("/proc/self/fd")): # mmap.mmap() keeps a descriptor of its own
            try:
                if n != f.fileno() and os.readlink(f"/proc/self/fd/{n}") == f.name:
                    os.close(n)
            except OSError:
                pass
# All at the same second: what was used last of each is made the same.
for i in range(1, count + 1):
    os.stat(f"{mnt}/{i}_flat")
    if i not in keep or keep[i] == "pinned":
        os.close(os.open(f"{mnt}/{i}/input.bin", os.O_RDONLY))

def listed():
    with open(f"{mnt}/.baton/executions.json") as f:
        return {int(e["execution"]) for e in json.load(f)["executions"]}

deadline = time.time() + 60
while len(listed()) > len(keep):
    if time.time() > deadline:
        sys.exit(f"{len(listed())} are left")
    time.sleep(0.1)
if listed() != set(keep):
    sys.exit(f"left: {sorted(listed())}")

worst = 0
for i in range(1, count + 1):
    with open(f"{mnt}/.baton/why/{i}") as f:
        why = json.load(f)
    if i in keep:
        if why["releases"] or why["now"]["pinned"] != (keep[i] == "pinned") or (why["now"]["open"] > 0) != (keep[i] == "open" or (keep[i] == "mapped" and through_daemon)):
            sys.exit(f"why {i}: {why}")
        continue
    [r] = why["releases"]
    late = r["released"] - r["active"] - r["ttl"]
    if r["reason"] != "expired" or r["files"] != 2 or r["ttl"] != 10 or late < -0.02 or why["now"]:
        sys.exit(f"why {i}: {why}")
    worst = max(worst, late)
print(f"the last went {worst:.3f} s after its time")
if worst > 2 and not slow:
    sys.exit("which is late")
names = set(os.listdir(mnt))
if names != {str(i) for i in keep} | {f"{i}_flat" for i in keep}:
    sys.exit(f"listed: {sorted(names)}")
END
expect python3 "$WORK/many.py" "$MNT" $count $SANITIZER
