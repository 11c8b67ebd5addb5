#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: tmpfs-on ext4-on
# timeout: 120
# Limits and shared contents: each file counts with its size, whoever shares it. What would be more is refused before a
# copy is made or content is brought home.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

size=$((3 << 20))
bytes=$((5 * size / 2))

stubs() {
	"$BATON" -m "$MNT" gc --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["stubs"])'
}

stubs_are() {
	[ "$(stubs)" = "$1" ]
}

content() {
	python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(sys.argv[1]).randbytes(int(sys.argv[2])))' "$1" $size
}

# A copy is made at once if its two opens are near each other, which they may not be on a busy machine.
nothing_of_it() {
	local size

	expect_errno EDQUOT cp "$MNT/1/f" "$MNT/1/more"
	size=$(stat -c %s "$MNT/1/more")
	rm "$MNT/1/more"
	[ "$size" = 0 ]
}

for limit in open strict; do
	mount_batonfs -o exec_bytes=$bytes,limit=$limit
	content $limit >"$WORK/a"
	cp "$WORK/a" "$MNT/1/f"
	cp "$WORK/a" "$MNT/2/f"
	wait_until 60 stubs_are 2

	# At once, and all of it or nothing.
	expect cp "$MNT/1/f" "$MNT/1/copy"
	[ "$OPTS" ] || wait_until 60 stubs_are 3
	expect_sums 1 2 $((2 * size))
	wait_until 20 nothing_of_it
	expect_sums 1 2 $((2 * size))
	expect cmp "$WORK/a" "$MNT/1/copy"

	# Not brought home in vain.
	expect_errno EDQUOT python3 -c 'import os, sys; os.truncate(sys.argv[1], int(sys.argv[2]))' \
		"$MNT/1/copy" $((2 * size))
	[ "$OPTS" ] || expect_eq 3 "$(stubs)" "stubs"
	expect truncate -s $((size / 2)) "$MNT/1/rest"
	if [ $limit = open ]; then
		expect_fail sh -c "echo more >>$MNT/1/copy" 2>/dev/null
		[ "$OPTS" ] || expect_eq 3 "$(stubs)" "stubs"
	fi
	rm "$MNT/1/rest"

	# Who reads a shared file, and who writes to it meanwhile.
	exec 5<"$MNT/2/f"
	echo more >>"$MNT/2/f"
	expect cmp "$WORK/a" - <&5
	exec 5<&-
	expect_sums 2 1 $((size + 5))
	: >"$MNT/2/f"
	expect_sums 2 1 0
	expect cp "$MNT/1/f" "$MNT/2/copy"
	expect_sums 2 2 $size
	expect mv "$MNT/1/copy" "$MNT/2/moved"
	expect_sums 2 3 $((2 * size))
	expect_sums 1 1 $size
	expect_errno EDQUOT mv "$MNT/1/f" "$MNT/2/g"
	unmount_batonfs
	mount_batonfs
	[ "$STORE_KIND" = memory ] || expect_sums 2 3 $((2 * size))
	"$BATON" -m "$MNT" release 1
	"$BATON" -m "$MNT" release 2
	unmount_batonfs
done
