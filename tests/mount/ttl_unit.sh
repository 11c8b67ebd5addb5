#!/bin/bash
# SPDX-License-Identifier: MIT
# An idle execution goes as a unit: directory and flat files. Not while a file in it is open, or mapped
# although closed, or while it is pinned. Afterwards the ID is free, and `why` tells of both.
# waits
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o ttl=1s

cat >"$WORK/hold.py" <<'END'
import mmap, os, sys
kind, path = sys.argv[1:]
fd = os.open(path, os.O_RDONLY)
m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) if kind == "map" else None
if m:
    # mmap.mmap() keeps a descriptor of its own
    import ctypes
    for n in map(int, os.listdir("/proc/self/fd")):
        try:
            if n > 2 and os.readlink(f"/proc/self/fd/{n}") == path:
                os.close(n)
        except OSError:
            pass
print("ready", flush=True)
sys.stdin.readline()
if m:
    data = m[:]
    os.write(1, b"whole" if data == b"x" * len(data) and len(data) == 1 << 20 else b"broken")
os._exit(0)
END

declare -A to from
hold() {
	local name=$1 line
	mkfifo "$WORK/$name.in" "$WORK/$name.out"
	python3 "$WORK/hold.py" "$2" "$3" <"$WORK/$name.in" >"$WORK/$name.out" &
	exec {to[$name]}>"$WORK/$name.in" {from[$name]}<"$WORK/$name.out"
	read -r line <&"${from[$name]}"
	expect_eq ready "$line"
}

let_go() {
	local said
	echo >&"${to[$1]}"
	read -r said <&"${from[$1]}"
	eval "exec ${to[$1]}>&- ${from[$1]}<&-"
	echo "$said"
}

make() {
	head -c 1048576 /dev/zero | tr '\0' x >"$1" || fail "cannot write $1"
}

for id in 1 2 3 4 5; do
	mkdir -p "$MNT/$id/sub/dir"
	make "$MNT/$id/sub/dir/file"
	make "$MNT/${id}_flat"
	echo 1 >"$MNT/.baton/executions/$id/pinned" || fail "pin $id"
done
hold 2 open "$MNT/2/sub/dir/file"
hold 3 map "$MNT/3_flat"
hold 5 map "$MNT/5/sub/dir/file"
for id in 1 2 3 5; do
	echo 0 >"$MNT/.baton/executions/$id/pinned"
done

wait_until 30 is_over 1
wait_until 10 [ ! -e "$MNT/1_flat" ] # the kernel is told of names after that
expect_eq "" "$(ls -A "$MNT/1")"
expect_eq "expired 2 2097152 1.0 None" \
	"$(why 1 'r["reason"], r["files"], r["bytes"], r["ttl"], r["by"]' | tr -d "(),'")"
expect_eq True "$(why 1 'r["released"] - r["active"] >= 1')"

# Twice the time again, twice.
for clock in 91 92; do
	echo >"$MNT/$clock/x"
	wait_until 30 is_over $clock
done
for id in 2 3 4 5; do
	is_real $id || fail "$id is gone: $(why $id 'r')"
	[ -e "$MNT/${id}_flat" ] && [ -e "$MNT/$id/sub/dir/file" ] || fail "$id is not whole"
done
expect_eq 1 "$(why 2 'd["now"]["open"]')"

# In use no more.
let_go 2 >/dev/null
expect_eq whole "$(let_go 3)"
echo 0 >"$MNT/.baton/executions/4/pinned"
for id in 2 3 4; do
	wait_until 30 is_over $id
	expect_eq expired "$(why $id 'r["reason"]')"
done

# Released all the same: who has it mapped reads on.
expect release 5
[ ! -e "$MNT/5/sub" ] && [ ! -e "$MNT/5_flat" ] || fail "released, but there"
expect_eq whole "$(let_go 5)"
expect_eq released "$(why 5 'r["reason"]')"

# The ID again.
echo second >"$MNT/1/file"
expect_eq "1 expired" "$(why 1 'str(d["now"]["files"]) + " " + r["reason"]')"
release 1
expect_eq "['released', 'expired']" "$(why 1 '[r["reason"] for r in d["releases"]]')"
expect_eq "None" "$(why 1 'd["now"]')"
echo third >"$MNT/1/file" && rm "$MNT/1/file"
wait_until 20 is_over 1
expect_match "^\['(empty|expired)', 'released', 'expired'\]$" "$(why 1 '[r["reason"] for r in d["releases"]]')"
expect_errno ENOENT cat "$MNT/.baton/why/nobody"
