#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on memory-off tmpfs-on ext4-on
# A store above its high mark loses what has been idle longest, until it is below the low one: never what is open,
# mapped or pinned, and one line of the log for each.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/small.sh"

# The daemon itself has no file open: what is busy when its turn comes would be passed over.
small_store "$([ "$STORE_KIND" = ext4 ] && echo 112 || echo 96)" # ext4 keeps some for itself
mount_batonfs -o high=80%,low=50%,hash=asked,hugepages=off
log=$WORK/daemon.log

# add ID MIB: an execution of that size, closed.
add() {
	write_file "$MNT/$1/data" "$2"
	wait_until 20 is_closed "$1"
}

is_closed() {
	grep -q '"open":0' "$MNT/.baton/executions/$1/execution.json" || is_over "$1"
}

share_is_below() {
	[ "$(in_use_share)" -le "$1" ]
}

# Of 96 MiB: 8 each.
for i in 1 2 3 4 5; do
	add $i 8
done
exec 5<"$MNT/1/data"
echo 1 >"$MNT/.baton/executions/2/pinned"
python3 -c '
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
os.close(fd)
print("mapped", flush=True)
sys.stdin.read()
assert m[:].count(b"x") == len(m)
' "$MNT/3/data" < <(sleep 600 & echo $! >"$WORK/sleep"; wait) >"$WORK/mapper.out" &
mapper=$!
wait_until 20 grep -q mapped "$WORK/mapper.out"
for i in 6 7 8; do
	add $i 8
done
expect_fail grep -q "evicted" "$log"

add 9 8
add 10 8
wait_until 20 share_is_below 55
for i in 1 2 3 10; do
	is_real $i || fail "execution $i is gone"
done
expect_eq "4 5 6" "$(sed -n 's/.*evicted execution=\([0-9]*\) .*/\1/p' "$log" | head -n 3 | tr '\n' ' ' | sed 's/ $//')"
expect_eq "evicted None" "$(why 4 '"%s %s" % (r["reason"], r["by"])')"
expect_match "because the store needed room" "$("$BATON" -m "$MNT" why 4)"
expect_eq "True" "$(status 'd["room"]["evicted"] >= 3 and d["room"]["evicted_bytes"] >= 3 << 23')"

# Files of `_`, by their own last use.
write_file "$MNT/old.bin" 4
: >"$MNT/lock"
for i in 11 12 13 14 15; do
	[ -e "$MNT/old.bin" ] && add $i 8
done
wait_until 20 test ! -e "$MNT/old.bin"
[ -e "$MNT/lock" ] || fail "an empty file gives no room"
expect_eq "evicted old.bin" "$(why _ '"%s %s" % (r["reason"], r["path"])')"

# metric NAME: its value now.
metric() {
	sed -n "s/^$1 //p" "$MNT/.baton/metrics"
}
expect_eq "$(status 'd["room"]["evicted"] + d["room"]["evicted_files"]')" "$(metric 'batonfs_releases_total{reason="evicted"}')"
[ "$(metric 'batonfs_released_bytes_total{reason="evicted"}')" -ge $((28 << 20)) ] || fail "$(cat "$MNT/.baton/metrics")"

# Nothing is left: said once, and no more than that happens.
for i in $(ls "$MNT"); do
	[ -d "$MNT/$i" ] && echo 1 >"$MNT/.baton/executions/$i/pinned"
done
: >"$MNT/99/more"
echo 1 >"$MNT/.baton/executions/99/pinned"
head -c 200M /dev/zero >"$MNT/99/data" 2>"$WORK/head.err" && fail "more than there is was written"
grep -q "No space left" "$WORK/head.err" || fail "$(cat "$WORK/head.err")"
wait_until 20 grep -q "nothing can go" "$log"
looks() {
	fallocate -l 50M "$MNT/99/more" 2>/dev/null && fail "there is room"
	[ "$(($(date +%s%N) - start))" -gt 1500000000 ]
}
start=$(date +%s%N)
wait_until 20 looks
expect_eq 1 "$(grep -c "nothing can go" "$log")"

# What somebody was told there is no room for has some soon.
rm "$MNT/99/data"
echo 0 >"$MNT/.baton/executions/99/pinned"
echo 0 >"$MNT/.baton/executions/2/pinned"
exec 6>"$MNT/20/big"
wait_until 20 fallocate -l 24M "$MNT/20/big"
exec 6>&-
has_room_or_lost_2() {
	is_over 2 || [ "$(in_use_share)" -le 80 ]
}
wait_until 20 has_room_or_lost_2

kill "$(cat "$WORK/sleep")"
wait $mapper || fail "what was mapped has changed"
exec 5<&-
