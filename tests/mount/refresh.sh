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
expect fusermount3 -u "$MNT"
