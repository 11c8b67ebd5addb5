#!/bin/bash
# SPDX-License-Identifier: MIT
# builds: ci
#
# Access times move with reading as the mount was told: never, now and then, each time.
. "$TESTS/lib/mount.sh"

# Of each kind of file, with the access time an hour ahead of the change (relatime leaves it) and days behind: which moved.
# Each is new, for without passthrough the daemon does not hear of what is read from the kernel's cache.
cat >"$WORK/moved.py" <<'END'
import mmap, os, time


def make(kind, name):
    if kind == "dir":
        os.mkdir(name)
    elif kind == "link":
        os.symlink("target", name)
    else:
        with open(name, "w") as f:
            f.write("text")


def look(kind, name):
    if kind == "dir":
        os.listdir(name)
    elif kind == "link":
        os.readlink(name)
    else:
        with open(name, "rb") as f:
            f.read() if kind == "file" else mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[0]


for label, atime in ("ahead", time.time() + 3600), ("behind", time.time() - 3 * 86400):
    for kind in "file", "mapped", "dir", "link":
        name = f"{kind}-{label}"
        make(kind, name)
        os.utime(name, (atime, time.time() - 7200), follow_symlinks=False)
        before = os.lstat(name).st_atime_ns
        look(kind, name)
        if os.lstat(name).st_atime_ns != before:
            print(name, end=" ")
END

# with OPTION WANTED
with() {
	mount_batonfs -o "$1"
	expect mkdir -p "$MNT/4711/posix"
	cd "$MNT/4711/posix" || fail "cd"
	expect_eq "$2" "$(python3 "$WORK/moved.py")" "$1: moved"
	cd / || fail "cd"
	expect rm -r "$MNT/4711"
	expect unmount_batonfs
}

# Nothing moves where nothing can be written.
read_only() {
	mount_batonfs
	expect mkdir -p "$MNT/4711/dir"
	echo text >"$MNT/4711/file"
	expect touch -a -d "3 days ago" "$MNT/4711/file" "$MNT/4711/dir"
	before=$(stat -c %x "$MNT/4711/file" "$MNT/4711/dir")
	expect unmount_batonfs
	mount_batonfs -o ro
	expect_eq text "$(cat "$MNT/4711/file")"
	expect ls "$MNT/4711/dir"
	expect_eq "$before" "$(stat -c %x "$MNT/4711/file" "$MNT/4711/dir")" "ro"
	expect unmount_batonfs
}

behind="file-behind mapped-behind dir-behind link-behind "
with noatime ""
with relatime "$behind"
with strictatime "file-ahead mapped-ahead dir-ahead link-ahead $behind"
[ "$STORE_KIND" = memory ] || read_only
