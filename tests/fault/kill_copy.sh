#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 60
# variants: memory-on ext4-on
# builds: ci
# The worker is killed while a copy of a shared file is made without copying, and another one goes on: what is written
# to the copy afterwards, by who has it open all the while, is there.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

head -c 2500000 /dev/urandom >"$WORK/data"

is_shared() {
	[ "$(about "$MNT/1/f" shared)" = 1 ]
}

clean() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}

# On a busy machine so much time may pass between the two opens that the bytes are copied.
cat >"$WORK/copy.py" <<'PYTHON'
import json, os, sys

mnt, data = sys.argv[1], open(sys.argv[2], "rb").read()

def takeovers():
    return json.load(open(mnt + "/.baton/status.json"))["takeovers"]

path = mnt + "/2/copy"
wanted = data[:1000] + b"after" + data[1005:]
while takeovers() == 0:
    if os.path.exists(path):
        os.unlink(path)
    source = os.open(mnt + "/1/f", os.O_RDONLY)
    copy = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert os.copy_file_range(source, copy, len(data)) == len(data)
    assert os.pwrite(copy, b"after", 1000) == 5
    os.close(copy)
    os.close(source)
    assert open(path, "rb").read() == wanted
PYTHON

for point in marked-empty grown; do
	BATONFS_FAULT=$point mount_batonfs -o dedup_min=64K,takeover=on
	mkdir -p "$MNT/2"
	for f in 1/f 1/g; do
		expect cp "$WORK/data" "$MNT/$f"
	done
	wait_until 30 is_shared
	expect python3 "$WORK/copy.py" "$MNT" "$WORK/data"
	(wait_until 20 clean) >/dev/null || fail "$point: $(cat "$WORK/fsck")"
	expect cmp "$WORK/data" "$MNT/1/f"
	expect cmp -i 1005 "$WORK/data" "$MNT/2/copy"
	expect_eq after "$(head -c 1005 "$MNT/2/copy" | tail -c 5)" "$point: what was written"
	release 1
	release 2
	unmount_batonfs
done
