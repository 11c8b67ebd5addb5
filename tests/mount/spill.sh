#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on memory-off
# builds: ci
# More is written than memory holds: what is idle longest goes to the disk, and everybody reads what was written, also
# who had it mapped or open; it comes back for who writes to it, and goes for good with its file. A full disk, a
# directory that is not ours.
. "$TESTS/lib/mount.sh"
own_namespace
. "$TESTS/lib/exec.sh"

dir=$WORK/disk/spill
log=$WORK/daemon.log
mkdir "$WORK/disk"
expect truncate -s 160M "$WORK/disk.img"
expect mkfs.ext4 -q -m 0 "$WORK/disk.img"
expect mount -o loop "$WORK/disk.img" "$WORK/disk"

# ---- what is refused ----
refused() {
	local text=$1 source=$2 options=$3

	"$BATONFS" "$source" "$MNT" -o "$options" >"$WORK/refused" 2>&1 && fail "mounted: $options"
	grep -q -- "$text" "$WORK/refused" || fail "$options: $(cat "$WORK/refused")"
}
STORE=memory:32M
refused "does not exist" $STORE "spill=$dir"
mkdir -p "$dir/theirs"
refused "neither empty nor" $STORE "spill=$dir"
[ -d "$dir/theirs" ] && [ ! -e "$dir/lock" ] || fail "what was refused has changed"
rmdir "$dir/theirs"
echo "somebody's" >"$dir/lock"
refused "not of a directory that batonfs spills to" $STORE "spill=$dir"
expect_eq "somebody's" "$(cat "$dir/lock")"
rm "$dir/lock"
chown 1 "$dir"
refused "belongs to uid 1" $STORE "spill=$dir"
chown 0 "$dir"
mkdir "$WORK/store"
refused "for a store in memory" "$WORK/store" "spill=$dir"
refused "below the mountpoint" $STORE "spill=$MNT"

# ---- more than memory holds ----
mount_batonfs -o "spill=$dir"
expect_eq 700 "$(stat -c %a "$dir")"
mkdir "$WORK/second"
"$BATONFS" $STORE "$WORK/second" -o "spill=$dir" 2>"$WORK/second.err" && fail "two have the same directory"
grep -q "in use by another" "$WORK/second.err" || fail "$(cat "$WORK/second.err")"

cat >"$WORK/load.py" <<'PYTHON'
"""Write COUNT files of SIZE, each in an execution; look at all that there are, again and again, while more is written."""
import errno, mmap, os, random, sys, time

mnt, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def content(i):
    return random.Random(i).randbytes(size)

def write(i):
    os.makedirs(f"{mnt}/{1000 + i}", exist_ok=True)
    end = time.monotonic() + 60
    while True:
        try:
            with open(f"{mnt}/{1000 + i}/data", "wb", buffering=0) as f:
                data = content(i)
                while data:
                    data = data[f.write(data[:1 << 20]):]
            return
        except OSError as e:
            assert e.errno == errno.ENOSPC and time.monotonic() < end, e
            time.sleep(0.05)

def check(i):
    with open(f"{mnt}/{1000 + i}/data", "rb") as f:
        assert f.read() == content(i), f"file {i} has changed"
        assert os.fstat(f.fileno()).st_size == size

write(0)
mapped = open(f"{mnt}/1000/data", "rb")
view = mmap.mmap(mapped.fileno(), 0, access=mmap.ACCESS_READ)
mapped.close()
write(1)
held = open(f"{mnt}/1001/data", "rb")
for i in range(2, count):
    write(i)
    check(random.randrange(i))
    check(i)
for i in range(count):
    check(i)
assert view[:] == content(0), "what was mapped has changed"
assert held.read() == content(1), "what was open has changed"
in_use = [os.getxattr(f"{mnt}/{1000 + i}/data", "user.baton.spilled") for i in (0, 1)]
assert in_use == [b"0", b"0"], in_use
PYTHON
size=$((3 << 20))
expect python3 "$WORK/load.py" "$MNT" 30 $size
expect_fail grep -q "evicted" "$log"
expect_eq True "$(status 'd["spill"]["moved_bytes"] > 0 and d["spill"]["refused"] == 0')"
all_there() { # what was moved, and what began there; less what another has replaced and nobody has any more
	[ "$(status 'd["spill"]["bytes"] == d["spill"]["contents"] * (3 << 20) and d["spill"]["bytes"] >= 50 << 20')" = True ]
}
wait_until 20 all_there
not_short() {
	[ "$(status 'd["spill"]["short"]')" = False ]
}
spilled() {
	[ "$(about "$1" spilled)" = 1 ]
}
# It may be full to anywhere between the marks by now, as the files happened to begin.
for i in {1002..1028}; do
	spilled "$MNT/$i/data" || release "$i"
done
wait_until 20 not_short
expect_match "Spilled: .* contents in $dir \(ext4\)" "$("$BATON" -m "$MNT" status)"
# name by name: batonfs_spilled_bytes, batonfs_spilled_contents, batonfs_spill_moved_total, batonfs_spill_moved_bytes_total,
# batonfs_spill_refused_total; batonfs_spill_free_bytes moves by itself.
metric() {
	sed -n "s/^batonfs_$1 //p" "$MNT/.baton/metrics"
}
for pair in bytes:spilled_bytes contents:spilled_contents moved:spill_moved_total moved_bytes:spill_moved_bytes_total \
	refused:spill_refused_total; do
	expect_eq "$(status "d['spill']['${pair%:*}']")" "$(metric "${pair#*:}")" "$pair"
done
[ "$(metric spill_free_bytes)" -lt $((160 << 20)) ] || fail "more is free to spill to than there is"
expect "$BATON" -m "$MNT" fsck

# ---- what was spilled ----
in_dir() {
	find "$dir/blobs" -type f | wc -l
}
f=
for i in {1002..1028}; do
	spilled "$MNT/$i/data" && f="$f $i"
done
read -r a b c d e _ <<<"$f"
[ "$e" ] || fail "spilled:$f"
expect_eq 0 "$(about "$MNT/$a/data" shared)" "shared"
expect_eq $((size / 512)) "$(stat -c %b "$MNT/$a/data")" "blocks"
cp "$MNT/$a/data" "$WORK/a"
before=$(stat -c '%Y %i' "$MNT/$a/data")
hash=$(about "$MNT/$a/data" xxh3)

# A copy of it, and another file with the same content, take no memory; whoever writes has it in memory again.
expect cp "$MNT/$a/data" "$MNT/$a/copy"
expect cmp "$WORK/a" "$MNT/$a/copy"
expect_eq "$before" "$(stat -c '%Y %i' "$MNT/$a/data")"
echo more >>"$MNT/$a/data" || fail "append"
spilled "$MNT/$a/data" && fail "written to, and still on the disk"
expect cmp <(cat "$WORK/a"; echo more) "$MNT/$a/data"
expect cmp "$WORK/a" "$MNT/$a/copy"
[ "$hash" != "$(about "$MNT/$a/data" xxh3)" ] || fail "the hash is the old one"
: >"$MNT/$b/data" || fail "cut"
expect_eq 0 "$(stat -c %s "$MNT/$b/data")"
expect mv "$MNT/$c/data" "$MNT/$b/renamed"
spilled "$MNT/$b/renamed" || fail "a rename brought it home"
exec 7<"$MNT/$d/data"
cp "$MNT/$d/data" "$WORK/d"
rm "$MNT/$d/data"
expect cmp "$WORK/d" - <&7
exec 7<&-
release $e
release 1000 # what was mapped first
for i in $(ls "$MNT"); do
	release "$i"
done
empty() {
	[ "$(in_dir)" = 0 ]
}
wait_until 30 empty
expect_eq "0 0" "$(status 'd["spill"]["contents"]') $(status 'd["spill"]["bytes"]')"

# ---- a disk that is full ----
expect fallocate -l $(($(stat -f -c '%a * %S' "$WORK/disk") - (24 << 20))) "$WORK/disk/ballast"
for i in {1..14}; do
	mkdir -p "$MNT/$i"
	head -c $size /dev/urandom >"$MNT/$i/data" 2>/dev/null || break
	cp "$MNT/$i/data" "$WORK/copy.$i"
done
[ "$i" -ge 10 ] || fail "only $i were written"
wait_until 20 grep -q "cannot spill error=ENOSPC" "$log"
for ((k = 1; k < i; k++)); do
	expect cmp "$WORK/copy.$k" "$MNT/$k/data"
done
expect_fail grep -q "evicted" "$log" # nothing goes without high=
# With it, what is idle longest goes, wherever its content is; and that makes room there, too.
expect "$BATON" -m "$MNT" config high=70% low=60%
for ((; i < 20; i++)); do
	mkdir -p "$MNT/$i"
	has_place() {
		head -c $size /dev/urandom >"$MNT/$i/data" 2>/dev/null
	}
	wait_until 20 has_place
	cp "$MNT/$i/data" "$WORK/copy.$i"
done
wait_until 20 grep -q "evicted execution=1 " "$log"
expect_eq 1 "$(grep -c "cannot spill" "$log")" "said once"
for k in $(ls "$MNT"); do # until it is open it may go
	{ exec 7<"$MNT/$k/data"; } 2>/dev/null || continue
	expect cmp "$WORK/copy.$k" - <&7
	exec 7<&-
done

# ---- the next one ----
rm "$WORK/disk/ballast"
write_more() {
	mkdir -p "$MNT/$((++i))"
	head -c $size /dev/zero >"$MNT/$i/data" 2>/dev/null
	! empty
}
wait_until 20 write_more
kill_batonfs
[ "$(in_dir)" -gt 0 ] || fail "nothing is left of the one that was killed"
mount_batonfs -o "spill=$dir"
expect_eq 0 "$(in_dir)" "what a process left"
unmount_batonfs
expect_eq "lock" "$(find "$dir" -type f -printf '%P')"
