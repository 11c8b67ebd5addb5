#!/bin/bash
# SPDX-License-Identifier: MIT
# A moment after a file's last close its attributes are asked for, so that the next one to open it finds them in
# the kernel. They are right, also if it is written again at once; and the mount is not kept busy.
# variants: memory-on tmpfs-on ext4-on xfs-on
. "$TESTS/lib/mount.sh"

refreshed() {
	[ "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["refreshed"])' \
		"$MNT/.baton/status.json")" -gt "$1" ]
}

mount_batonfs
mkdir -p "$MNT/4711"
head -c 100000 /dev/zero >"$MNT/4711/input.bin"
wait_until 30 refreshed 0
expect_eq 100000 "$(stat -c %s "$MNT/4711/input.bin")" size

# Also below directories, and for whoever has only read.
mkdir -p "$MNT/4711/a/b"
cp "$MNT/4711/input.bin" "$MNT/4711/a/b/copy"
wait_until 30 refreshed 1

# Sizes are right at any moment of it.
for ((i = 1; i <= 200; i++)); do
	printf x >>"$MNT/4711/log"
	expect_eq $i "$(stat -c %s "$MNT/4711/log")" "size after $i bytes"
done

# Removed at once: nothing to ask for.
for ((i = 1; i <= 50; i++)); do
	echo >"$MNT/4711/short"
	rm "$MNT/4711/short"
done
# Who has opened it in quick succession, and now rests for a millisecond after each close, is let wait no longer.
expect python3 - "$MNT" <<'END'
import json, os, sys, time

def refreshed():
    with open(f"{sys.argv[1]}/.baton/status.json", encoding="ascii") as status:
        return json.load(status)["refreshed"]

def take():
    os.close(os.open(f"{sys.argv[1]}/4711/input.bin", os.O_RDONLY))

for _ in range(2000):
    take()
before = refreshed()
for _ in range(60):  # rounds of 50, at most
    for _ in range(50):
        take()
        time.sleep(0.001)
    if refreshed() >= before + 50:
        sys.exit(0)
sys.exit(f"of 3000 closes {refreshed() - before} were followed by a look at the attributes")
END
wait_until 10 fusermount3 -u "$MNT"
