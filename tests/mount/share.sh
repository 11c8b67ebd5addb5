#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# Files of the same content come to share it, whose they may, and nothing about them changes but where it is; it goes
# with the last of them. Who writes has his own. What is stored and saved is told.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

size=$((3 << 20))

sharing() {
	"$BATON" -m "$MNT" gc --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

# sharing_is EXPRESSION VALUE
sharing_is() {
	[ "$(sharing "$1")" = "$2" ]
}

# All that stat tells, but for the change time.
about_file() {
	stat -c '%i %s %b %h %u:%g %a %x %y' "$MNT/$1"
}

content() {
	python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(sys.argv[1]).randbytes(int(sys.argv[2])))' "$1" $size
}

no_problems() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck" || fail "fsck: $(cat "$WORK/fsck")"
}

content a >"$WORK/a"
content b >"$WORK/b"
mount_batonfs
sharing_is 'd["stubs"]' 0 || fail "stubs of nothing"

cp "$WORK/a" "$MNT/1/f"
expect setfattr -n user.color -v red "$MNT/1/f"
expect chmod 4640 "$MNT/1/f"
touch -d 2020-02-02 "$MNT/1/f"
before=$(about_file 1/f)
cp "$WORK/b" "$MNT/1/other"
for id in 2 3; do
	cp "$WORK/a" "$MNT/$id/f"
done
wait_until 60 sharing_is 'd["stubs"], d["blobs"]' "(3, 1)"
expect_eq "$before" "$(about_file 1/f)" "what stat tells"
expect_eq red "$(getfattr --absolute-names --only-values -n user.color "$MNT/1/f")"
for f in 1/f 2/f 3/f; do
	expect cmp "$WORK/a" "$MNT/$f"
done
expect cmp "$WORK/b" "$MNT/1/other"
expect_eq $((3 * size)) "$(sharing 'd["shared"]')" "shared"
[ "$(sharing 'd["stored"]')" -lt $((size * 102 / 100)) ] || fail "stored: $(sharing d)"
[ "$(sharing 'd["saved"]')" -gt $((size * 19 / 10)) ] || fail "saved: $(sharing d)"
expect_eq "$size $((2 * size))" "$(shown 1 shared) $(shown 1 bytes)"
expect_eq $((size + size / 3)) "$(shown 1 stored)" "a third of it, and the other file"
expect_errno EACCES run_as 1000 cat "$MNT/.baton/sharing.json"
expect_errno EACCES run_as 1000 cat "$MNT/.baton/check.json"
expect_errno EACCES run_as 1000 cat "$MNT/.baton/executions/1/stored"
no_problems

# Another owner's is kept apart.
for id in 4 5; do
	run_as 1000 tee "$MNT/$id/f" <"$WORK/a" >"$WORK/tee" || fail "tee"
done
wait_until 60 sharing_is 'd["stubs"], d["blobs"]' "(5, 2)"

# Who writes, or cuts, has a file of his own.
echo more >>"$MNT/2/f"
expect cmp <(cat "$WORK/a"; echo more) "$MNT/2/f"
: >"$MNT/3/f"
expect_eq 0 "$(stat -c %s "$MNT/3/f")"
expect cmp "$WORK/a" "$MNT/1/f"
expect_eq 3 "$(sharing 'd["stubs"]')"
no_problems

# So has who gives it another name.
ln "$MNT/5/f" "$MNT/5/g" || fail "ln"
expect_eq 2 "$(sharing 'd["stubs"]')"
expect cmp "$WORK/a" "$MNT/5/g"
rm "$MNT/5/g"
cp "$WORK/a" "$MNT/1/g"
wait_until 60 sharing_is 'd["stubs"]' 3
rm "$MNT/1/g"
no_problems

# And a release, a removal, a renaming over it: the content goes with the last.
release 4
expect cmp "$WORK/a" "$MNT/5/f"
mv "$MNT/1/other" "$MNT/5/f" || fail "mv"
wait_until 60 sharing_is 'd["blobs"]' 1
exec 5<"$MNT/1/f"
rm "$MNT/1/f"
expect cmp "$WORK/a" /proc/self/fd/5
exec 5<&-
wait_until 60 sharing_is 'd["blobs"]' 0

# A name in an execution that is released, and one in another: no row is left that would keep a blob.
for id in 6 7; do
	cp "$WORK/a" "$MNT/$id/f"
done
wait_until 60 sharing_is 'd["stubs"], d["blobs"]' "(2, 1)"
expect ln "$MNT/6/f" "$MNT/8/f"
expect_eq 1 "$(sharing 'd["stubs"]')"
rm "$MNT/7/f"
release 8
wait_until 60 sharing_is 'd["blobs"]' 0
expect cmp "$WORK/a" "$MNT/6/f"
no_problems
unmount_batonfs
