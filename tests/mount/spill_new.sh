#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on
# builds: ci
# While memory is short a new file begins on the disk, and is like any other: written, cut, mapped, linked, renamed,
# unlinked while it is open. Several who write more than memory holds are not told that it is full. What is not needed
# any more goes from the disk; a disk that is full says so. FILESYSTEMS="mkfs.xfs mkfs.btrfs" for these, too, which have reflinks.
. "$TESTS/lib/mount.sh"
own_namespace
. "$TESTS/lib/exec.sh"

dir=$WORK/disk/spill
mkdir "$WORK/disk"
# disk MKFS...: a new one.
disk() {
	truncate -s 400M "$WORK/disk.img" && "$@" -q "$WORK/disk.img" && mount -o loop "$WORK/disk.img" "$WORK/disk" || fail "$*"
	mkdir "$dir"
}
disk mkfs.ext4 -m 0

STORE=memory:64M
options=spill=$dir,high=20%,low=10%,dedup_min=64K
mount_batonfs -o "$options"
begun() {
	status 'd["spill"]["begun"]'
}
is_short() {
	[ "$(status 'd["spill"]["short"]')" = True ]
}
is_not_short() {
	! is_short
}
in_dir() {
	find "$dir/blobs" -type f | wc -l
}
spilled() {
	[ "$(about "$1" spilled)" = 1 ]
}
clean() { # also what goes a moment after its file
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}

# Nothing is to be released for want of room.
pin() {
	for i in 1 2 3; do
		mkdir -p "$MNT/$i"
		: >"$MNT/$i/mark"
		echo 1 >"$MNT/.baton/executions/$i/pinned"
	done
}

# ---- memory is not short ----
pin
head -c 1000000 /dev/urandom >"$WORK/data"
expect cp "$WORK/data" "$MNT/1/early"
expect_eq "0 0 False" "$(begun) $(in_dir) $(status 'd["spill"]["short"]')"

metric() {
	awk -v name="$1" '$1 == name { print $2 }' "$MNT/.baton/metrics"
}
expect_eq 0 "$(metric batonfs_spill_short)"

# Held open, so it cannot be spilled: above high=.
exec 9<>"$MNT/1/hold"
head -c 16M /dev/zero >&9
wait_until 20 is_short

# ---- it is ----
cat >"$WORK/use.py" <<'PYTHON'
"""All that may be done to a file, of one that is on the disk from its first byte on."""
import mmap, os, random, subprocess, sys, time

top = sys.argv[1] + "/2"
os.chmod(top, 0o777)
data = random.Random(1).randbytes(3000000)

def spilled(path):
    return os.getxattr(path, "user.baton.spilled") == b"1"

def size_with_birth(path):
    """The size, asked for together with the time of birth, which is another request."""
    return int(subprocess.check_output(["stat", "-c", "%s %w", path]).split()[0])

def read(path):
    with open(path, "rb") as f:
        return f.read()

path = top + "/f"
with open(path, "wb", buffering=0) as f:
    assert spilled(path)
    assert os.stat(path).st_size == 0
    f.write(data[:1000000])
    assert size_with_birth(path) == 1000000
    assert os.stat(path).st_size == os.fstat(f.fileno()).st_size == 1000000
    assert read(path) == data[:1000000]
    with open(path, "rb") as reader:            # beside the writer
        f.write(data[1000000:])
        assert reader.read() == data
        assert os.fstat(reader.fileno()).st_size == len(data)
    os.fsync(f.fileno())
st = os.stat(path)
assert st.st_size == len(data) and st.st_blocks * 512 >= len(data) and st.st_mode & 0o777 == 0o644, st
assert spilled(path) and read(path) == data
assert [e.stat().st_size for e in os.scandir(top) if e.name == "f"] == [len(data)]

os.utime(path, ns=(10**18 + 1, 10**18 + 2))
st = os.stat(path)
assert (st.st_atime_ns, st.st_mtime_ns) == (10**18 + 1, 10**18 + 2), st
os.chmod(path, 0o4755)
os.chown(path, 1234, 4321)
os.setxattr(path, "user.mine", b"yes")
st = os.stat(path)
assert (st.st_uid, st.st_gid, st.st_mtime_ns) == (1234, 4321, 10**18 + 2), st

with open(path, "ab", buffering=0) as f:        # appends, also two at a time
    with open(path, "ab", buffering=0) as g:
        f.write(b"one")
        g.write(b"two")
        f.write(b"six")
assert read(path) == data + b"onetwosix"
assert os.stat(path).st_mtime_ns > 10**18 + 2
os.truncate(path, 500000)
assert read(path) == data[:500000] and os.stat(path).st_size == 500000
os.truncate(path, 2000000)
assert read(path) == data[:500000] + bytes(1500000)
with open(path, "r+b", buffering=0) as f:
    assert os.lseek(f.fileno(), 0, os.SEEK_HOLE) in range(500000, 520000)
    os.posix_fallocate(f.fileno(), 0, 2500000)
    assert os.fstat(f.fileno()).st_size == 2500000
    os.ftruncate(f.fileno(), 2000000)
    m = mmap.mmap(f.fileno(), 2000000)
    m[10:15] = b"magic"
    m.flush()
    assert read(path)[10:15] == b"magic"
m[20:25] = b"after"                              # the descriptor is closed
assert read(path)[20:25] == b"after"
m.close()
assert os.getxattr(path, "user.mine") == b"yes"

os.link(path, top + "/second")                   # it stays where it is
assert spilled(top + "/second") and os.stat(path).st_nlink == 2
os.rename(path, sys.argv[1] + "/3/moved")
assert read(top + "/second") == read(sys.argv[1] + "/3/moved")
os.unlink(sys.argv[1] + "/3/moved")
with open(top + "/second", "r+b", buffering=0) as f:
    os.unlink(top + "/second")
    f.seek(0)
    assert f.read(5) == data[:5]
    f.seek(0)
    f.write(b"gone")
    os.ftruncate(f.fileno(), 100)
    assert os.fstat(f.fileno()).st_size == 100 and os.fstat(f.fileno()).st_nlink == 0
    f.seek(0)
    assert f.read(4) == b"gone"

with open(top + "/from", "wb") as f:             # copies, there and back
    f.write(data)
os.system(f"cp {top}/from {top}/to && cmp {top}/from {top}/to") == 0 or sys.exit("cp")
t = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o600)  # never with a name
os.write(t, data)
os.close(t)
os.makedirs(sys.argv[1] + "/4", exist_ok=True)   # released while it is open
with open(sys.argv[1] + "/4/f", "w+b", buffering=0) as f:
    f.write(data)
    assert os.fstat(f.fileno()).st_size == len(data)
    with open(sys.argv[1] + "/.baton/executions/4/release", "w") as r:
        r.write("1")
    while os.path.exists(sys.argv[1] + "/.baton/executions/4"):
        time.sleep(0.01)
    f.write(b"more")
    assert os.fstat(f.fileno()).st_size == len(data) + 4
    os.ftruncate(f.fileno(), 1000)
    os.fsync(f.fileno())
    f.seek(0)
    assert f.read() == data[:1000]
a = os.open(top + "/from", os.O_RDONLY)
b = os.open(top + "/range", os.O_RDWR | os.O_CREAT)
done = 0
while done < len(data):
    n = os.copy_file_range(a, b, len(data) - done)
    assert n > 0
    done += n
assert read(top + "/range") == data and spilled(top + "/range")
os.close(a)
os.close(b)

t = os.open(top, os.O_TMPFILE | os.O_RDWR, 0o600)  # without a name, then with one
os.write(t, data)
os.link(f"/proc/self/fd/{t}", top + "/named", src_dir_fd=t)  # linkat(2), which follows it
os.close(t)
assert read(top + "/named") == data

with open(top + "/to", "wb") as f:               # O_TRUNC: begins anew
    assert os.fstat(f.fileno()).st_size == 0
    f.write(b"short")
assert read(top + "/to") == b"short" and os.stat(top + "/to").st_size == 5
os.seteuid(1234)                                 # of somebody who may do nothing else
with open(top + "/theirs", "wb") as f:
    f.write(data)
assert spilled(top + "/theirs") and read(top + "/theirs") == data and os.stat(top + "/theirs").st_uid == 1234
os.unlink(top + "/theirs")
os.seteuid(0)
open(top + "/empty", "w").close()
assert os.stat(top + "/empty").st_size == 0 and read(top + "/empty") == b""
with open(top + "/empty", "ab") as f:
    f.write(b"not any more")
assert read(top + "/empty") == b"not any more"
PYTHON
expect python3 "$WORK/use.py" "$MNT"
expect_eq "$(seal_sum of "$MNT/2/from")" "$(about "$MNT/2/from" xxh3)"
wait_until 20 clean
is_short || fail "memory is not short any more"
expect_eq 1 "$(metric batonfs_spill_short)"
expect_eq "$(begun)" "$(metric batonfs_spill_begun_total)"

# The kernel forgets it, and it is the same.
sync
echo 2 >/proc/sys/vm/drop_caches
expect_eq 3000000 "$(stat -c %s "$MNT/2/from")"
expect cmp "$MNT/2/from" "$MNT/2/range"
expect_eq "12" "$(stat -c %s "$MNT/2/empty")"

# Of one that may only grow the inode in memory cannot be told the size: it is charged once all the same.
exec 8>>"$MNT/3/log"
echo begin >&8
if chattr +a "$MNT/3/log" 2>/dev/null; then # a tmpfs has that from Linux 6.6 on
	head -c 100000 /dev/zero >&8
	exec 8>&-
	for i in 1 2; do
		echo 2 >/proc/sys/vm/drop_caches
		echo more >>"$MNT/3/log"
	done
	expect_sums 3 2 100016
	chattr -a "$MNT/3/log"
fi
exec 8>&-
rm "$MNT/3/log"

# ---- several at once write twice of what memory holds ----
for i in 1 2 3 4; do
	head -c 32M /dev/zero | tr '\0' "$i" >"$MNT/3/big$i" &
	writers[i]=$!
done
for i in 1 2 3 4; do
	wait "${writers[i]}" || fail "writer $i"
done
for i in 1 2 3 4; do
	expect cmp <(head -c 32M /dev/zero | tr '\0' "$i") "$MNT/3/big$i"
done
rm "$MNT"/3/big*

# ---- what was spilled is written to where it is ----
early_is_spilled() {
	spilled "$MNT/1/early"
}
wait_until 30 early_is_spilled
expect cp "$MNT/1/early" "$MNT/1/copy"
exec 8<"$MNT/1/early"
n=$(begun)
echo more >>"$MNT/1/early"
spilled "$MNT/1/early" || fail "it came to memory, which is short"
[ "$(begun)" -gt "$n" ] || fail "it is not its own"
expect cmp <(cat "$WORK/data"; echo more) "$MNT/1/early"
expect cmp "$WORK/data" "$MNT/1/copy"
expect cmp -n 1000000 "$WORK/data" - <&8 # or what is written since, if the daemon serves it
exec 8<&-

# ---- a disk that is full ----
wait_until 20 clean
expect fallocate -l $(($(stat -f -c '%a * %S' "$WORK/disk") - (30 << 20))) "$WORK/disk/ballast"
expect_errno ENOSPC dd if=/dev/zero of="$MNT/3/full" bs=1M count=400 # what was removed is given back a moment later
spilled "$MNT/3/full" || fail "it began in memory"
bytes=$(stat -c %s "$MNT/3/full")
[ "$bytes" -gt $((20 << 20)) ] || fail "$bytes bytes were written"
expect cmp <(head -c "$bytes" /dev/zero) "$MNT/3/full"
rm "$MNT/3/full" "$WORK/disk/ballast"
wait_until 20 clean

# ---- it is not short any more ----
exec 9>&-
rm "$MNT/1/hold"
wait_until 20 is_not_short
expect cp "$WORK/data" "$MNT/1/late"
spilled "$MNT/1/late" && fail "it began on the disk"
spilled "$MNT/2/from" || fail "it came back by itself"
expect python3 - "$MNT/2/from" <<'PYTHON'
import mmap, sys
with open(sys.argv[1], "r+b") as f:
    m = mmap.mmap(f.fileno(), 4096)
with open(sys.argv[1], "wb") as f:  # cut, while who can write has it mapped
    f.write(bytes(4096))
m[10:15] = b"after"
with open(sys.argv[1], "rb") as f:
    assert f.read()[10:15] == b"after"
PYTHON
expect cp "$WORK/data" "$MNT/2/from"
spilled "$MNT/2/from" && fail "what is cut does not begin in memory"
expect cmp "$WORK/data" "$MNT/2/from"
wait_until 20 clean
for i in 1 2 3; do
	release $i
done
empty() {
	[ "$(in_dir)" = 0 ]
}
wait_until 30 empty
expect_eq "0 0" "$(status 'd["spill"]["contents"]') $(status 'd["spill"]["bytes"]')"

unmount_batonfs

# ---- to the byte ----
bytes=1000003
mount_batonfs -o "$options,exec_bytes=$bytes,exec_files=20,limit=strict"
exec 9<>"$MNT/hold.bin" # nobody's: without a limit
head -c 16M /dev/zero >&9
wait_until 20 is_short
n=$(begun)
expect limit_ways "$MNT/1" $bytes 20
[ "$(begun)" -gt "$n" ] || fail "none of it was on the disk"
exec 9>&-
unmount_batonfs

# ---- the next one ----
mount_batonfs -o "$options"
mkdir -p "$MNT/1"
exec 9<>"$MNT/1/hold"
head -c 16M /dev/zero >&9
wait_until 20 is_short
expect cp "$WORK/data" "$MNT/1/new"
kill_batonfs
exec 9>&-
[ "$(in_dir)" -gt 0 ] || fail "nothing is left of the one that was killed"
mount_batonfs -o "spill=$dir"
expect_eq 0 "$(in_dir)" "what a process left"
unmount_batonfs

# ---- other filesystems ----
for mkfs in ${FILESYSTEMS-}; do
	umount "$WORK/disk" || fail "umount"
	rm "$WORK/disk.img"
	disk "$mkfs"
	mount_batonfs -o "$options"
	pin
	cp "$WORK/data" "$MNT/1/early"
	exec 9<>"$MNT/1/hold"
	head -c 16M /dev/zero >&9
	wait_until 20 is_short
	wait_until 30 early_is_spilled
	expect python3 "$WORK/use.py" "$MNT"
	n=$(begun)
	echo more >>"$MNT/1/early"
	[ "$(begun)" -gt "$n" ] || fail "$mkfs: it is not its own"
	expect cmp <(cat "$WORK/data"; echo more) "$MNT/1/early"
	wait_until 20 clean
	exec 9>&-
	for i in 1 2 3; do
		release $i
	done
	wait_until 30 empty
	unmount_batonfs
done
