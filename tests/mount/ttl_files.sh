#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that name no execution go one by one; so does any file that was given a time of its own, and with
# O_EXCL that makes it a lock that frees itself. Not while they are open or mapped.
# waits
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o ttl=2s

# `_`: each by itself.
echo a >"$MNT/a.bin"
echo b >"$MNT/b.bin"
echo never >"$MNT/never.bin"
expect setfattr -n user.baton.ttl -v never "$MNT/never.bin"
expect setfattr -n user.baton.ttl -v 1h "$MNT/b.bin"
exec 5<"$MNT/a.bin"
echo c >"$MNT/c.bin"
echo e >"$MNT/e (deleted)" # what the kernel writes behind the path of what has gone
mkdir "$MNT/two words" && echo d >"$MNT/two words/d"
expect_eq never "$(about "$MNT/never.bin" expires)"
expect_eq 3600 "$(about "$MNT/b.bin" ttl)"
expect_eq 2 "$(about "$MNT/c.bin" ttl)"
wait_until 20 test ! -e "$MNT/c.bin"
wait_until 20 test ! -e "$MNT/e (deleted)"
wait_until 20 test ! -e "$MNT/two words/d"
[[ " $(ls "$MNT" | tr '\n' ' ') " != *" c.bin "* ]] || fail "listed"
expect_eq a "$(cat <&5)" "an open file"
[ -e "$MNT/a.bin" ] || fail "a file in use is gone"
exec 5<&-
wait_until 30 test ! -e "$MNT/a.bin"
[ -e "$MNT/b.bin" ] && [ -e "$MNT/never.bin" ] || fail "gone before their time"
expect_eq "expired" "$(why _ 'set(r["reason"] for r in d["releases"]).pop()')"
expect_eq "['a.bin', 'c.bin', 'e (deleted)', 'two words/d']" "$(why _ 'sorted(r["path"] for r in d["releases"])')"
expect_eq "b.bin never.bin two words" "$(ls "$MNT" | tr '\n' ' ' | sed 's/ $//')"
expect_sums _ 2 8

# A lock: SET NX EX.
lock() {
	python3 - "$MNT/7/lock" "$1" <<'END'
import os, sys
try:
    fd = os.open(sys.argv[1], os.O_CREAT | os.O_EXCL | os.O_WRONLY)
except FileExistsError:
    sys.exit(1)
os.setxattr(fd, "user.baton.ttl", sys.argv[2].encode())
os.close(fd)
END
}
echo x >"$MNT/7/x"
echo 1 >"$MNT/.baton/executions/7/pinned"
expect lock 5s
expect_fail lock 5s
wait_until 30 lock 1h
expect_fail lock 1s
expect_eq "expired 5.0 7/lock" "$(why 7 '"%s %s %s" % (r["reason"], r["ttl"], r["path"])')"
expect_eq 1 "$(why 7 'len(d["releases"])')"
# "default" undoes it: with the execution again, which is pinned.
expect setfattr -n user.baton.ttl -v 1s "$MNT/7/lock"
expect setfattr -n user.baton.ttl -v default "$MNT/7/lock"
expect setfattr -n user.baton.ttl -v 1s "$MNT/7/x"
wait_until 20 test ! -e "$MNT/7/x"
[ -e "$MNT/7/lock" ] || fail "default is not the execution's"

# A disk filesystem that has dropped their names opens them without: then they are looked for.
echo x >"$MNT/top.bin" && echo y >"$MNT/7/y" && echo z >"$MNT/two words/z"
for file in top.bin 7/y "two words/z"; do
	expect setfattr -n user.baton.ttl -v 2s "$MNT/$file"
done
sync && echo 2 >/proc/sys/vm/drop_caches
gone_unseen() {
	local paths='sorted(r["path"] for r in d["releases"])'

	[[ "$(why _ "$paths")$(why 7 "$paths")" = *top.bin*two\ words/z*7/y* ]]
}
wait_until 20 gone_unseen
[ ! -e "$MNT/top.bin" ] && [ ! -e "$MNT/7/y" ] && [ ! -e "$MNT/two words/z" ] || fail "there after their time"

# The last file of a directory that batonfs made takes it along. Flat ones are files, too.
echo x >"$MNT/8/x" && echo y >"$MNT/9_y"
expect setfattr -n user.baton.ttl -v 0.5 "$MNT/8/x"
expect setfattr -n user.baton.ttl -v 0.5 "$MNT/9_y"
wait_until 20 is_over 8
wait_until 20 is_over 9
expect_eq True "$(why 8 '"expired" in [r["reason"] for r in d["releases"]]')"

# No such times.
for bad in 0 -1 x 1y '' 1e99; do
	expect_fail setfattr -n user.baton.ttl -v "$bad" "$MNT/7/lock"
done
expect_errno EOPNOTSUPP setfattr -n user.baton.ttl -v 1s "$MNT"
mkdir "$MNT/7/dir"
expect_errno EOPNOTSUPP setfattr -n user.baton.ttl -v 1s "$MNT/7/dir"
