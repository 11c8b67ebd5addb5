#!/bin/bash
# SPDX-License-Identifier: MIT
# st_ino and st_dev stay what they are: over rename, link, the kernel's forgetting, opening again, handing
# over to another execution, and in a directory store over a new mount.
. "$TESTS/lib/mount.sh"

forget() {
	expect sync
	echo 2 >/proc/sys/vm/drop_caches
}

# "ino name" of all that is below $MNT, sorted by name
numbers() {
	(cd "$MNT" && find . -mindepth 1 -printf '%i %p\n' | sort -k 2)
}

# NAME...: they must all have the number $ino.
same() {
	local name

	for name; do
		expect_eq "$ino" "$(stat -c %i "$MNT/$name")" "st_ino of $name"
	done
}

mount_batonfs -o dev
virtual=$(stat -c %i "$MNT/4711")
dev=$(stat -c %d "$MNT")
expect mkdir "$MNT/4711/dir" "$MNT/other"
expect_eq "$virtual" "$(stat -c %i "$MNT/4711")" "a virtual directory made real"
for i in $(seq 200); do
	echo "$i" >"$MNT/4711/dir/file$i"
done
echo flat >"$MNT/4712_flat.bin"
ln -s dir "$MNT/4711/link"
mkfifo "$MNT/4711/fifo"
before=$(numbers)

forget
expect_eq "$before" "$(numbers)" "after the kernel forgot"
expect_eq "$dev" "$(stat -c %d "$MNT/4711/dir/file1")" "st_dev"
expect_eq 200 "$(cat "$MNT/4711/dir/file200")"
expect_eq "$(numbers)" "$(cd "$MNT" && find . -mindepth 1 | while read -r f; do
	echo "$(stat -c %i "$f") $f"; done | sort -k 2)" "listing and stat"

ino=$(stat -c %i "$MNT/4711/dir/file1")
exec 3<"$MNT/4711/dir/file1"
expect mv "$MNT/4711/dir/file1" "$MNT/4711/moved"
same 4711/moved
expect mv "$MNT/4711/moved" "$MNT/other/moved"
same other/moved
expect ln "$MNT/other/moved" "$MNT/4711/link2"
forget
same other/moved 4711/link2
expect_eq "$ino" "$(stat -L -c %i /proc/self/fd/3)" "open all the while"
expect rm "$MNT/other/moved"
forget
same 4711/link2
expect_eq "$ino" "$(stat -L -c %i /proc/self/fd/3)" "open, one name gone"
expect rm "$MNT/4711/link2"
forget
expect_eq "$ino" "$(stat -L -c %i /proc/self/fd/3)" "open, without a name"
expect_eq 1 "$(cat <&3)"
exec 3<&-

ino=$(stat -c %i "$MNT/4711/dir")
expect mv "$MNT/4711/dir" "$MNT/other/dir"
same other/dir
expect_eq 7 "$(cat "$MNT/other/dir/file7")"
forget
same other/dir
expect_eq 7 "$(cat "$MNT/other/dir/file7")"

# A handle would be stale once the kernel has forgotten the inode: none is given out, but for who wants to compare them.
# Linux 6.9, as passthrough.
cat >"$WORK/handle.py" <<'END'
import ctypes, errno, os, sys

libc = ctypes.CDLL(None, use_errno=True)
handle = (ctypes.c_uint * 40)(128)
mount = ctypes.c_int()
flags = {"open": 0, "compare": 0x200}[sys.argv[1]]  # AT_HANDLE_FID
r = libc.name_to_handle_at(-100, os.fsencode(sys.argv[2]), handle, ctypes.byref(mount), flags)
print("given" if r == 0 else "none" if ctypes.get_errno() == errno.EOPNOTSUPP else ctypes.get_errno())
END
if grep -q '"passthrough": *true' "$MNT/.baton/status.json"; then
	expect_eq none "$(python3 "$WORK/handle.py" open "$MNT/other/dir/file7")"
	expect_eq given "$(python3 "$WORK/handle.py" compare "$MNT/other/dir/file7")"
fi

if [ "$STORE_KIND" != memory ]; then
	before=$(numbers)
	expect unmount_batonfs
	mount_batonfs -o dev
	expect_eq "$before" "$(numbers)" "after the next mount"
	expect_eq "$virtual" "$(stat -c %i "$MNT/4711")" "a directory made by batonfs, next mount"
fi
expect unmount_batonfs
