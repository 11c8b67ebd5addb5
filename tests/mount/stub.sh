#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: tmpfs-on ext4-on ext4-off xfs-on
# timeout: 120
# Files whose content is a blob are files like any other, whatever is done to them; and what is done to one is not
# done to the others of the same blob.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

[[ $OPTS == *passthrough=off* ]] && export PASSTHROUGH=off

mount_batonfs -o hash=asked
mapfile -t names < <(stub_use list)
mkdir "$MNT/4711/d"
expect stub_use fill "${names[@]/#/$MNT/4711/d/}" "$MNT/4711/"{tar,cp,du,twin} "$MNT/4712_flat"
expect unmount_batonfs
rm -f "$STORE"/ledger.db* # it has not heard of them, and is to ask the tree
expect stub_use share "$STORE" "${names[@]/#/4711/d/}" 4711/{tar,cp,du,twin} 4712_flat
mount_batonfs

expect_eq "$(stat -c %s "$MNT/4711/cp")" "$(($(stat -c %s "$STORE/tree/4711/cp")))"
[ "$(stat -c %b "$STORE/tree/4711/cp")" -lt 128 ] || fail "not a stub"
[ "$(du -k "$MNT/4711/du" | cut -f 1)" -ge 2500 ] || fail "du: $(du -k "$MNT/4711/du")"
(cd "$MNT/4711/d" && stub_use run "$STORE/tree/4711/d") || fail "stub_use"

expect cp --sparse=always "$MNT/4711/cp" "$MNT/4711/copied"
expect tar -C "$MNT/4711" -c --sparse -f "$WORK/tar" tar
rm "$MNT/4711/tar"
expect tar -C "$MNT/4711" -x -f "$WORK/tar"
expect stub_use check "$MNT/4711/"{tar,cp,copied,twin} "$MNT/4712_flat"
[ "$(stat -c %b "$STORE/tree/4711/twin")" -lt 128 ] || fail "twin is no stub any more"

# chattr(1) may keep a file from being changed, but not from being read or changed again later.
if [ "$STORE_KIND" = ext4 ]; then
	expect chattr +a "$MNT/4711/twin"
	echo more >>"$MNT/4711/twin"
	expect chattr -a "$MNT/4711/twin"
	expect truncate -s -5 "$MNT/4711/twin"
	expect stub_use check "$MNT/4711/twin"
fi

# The next daemon finds what is left of them.
expect unmount_batonfs
mount_batonfs
expect stub_use check "$MNT/4711/"{tar,cp,copied,twin} "$MNT/4712_flat"
[ "$(stat -c %b "$STORE/tree/4712_flat")" -lt 128 ] || fail "no stub any more"
expect cmp "$MNT/4711/cp" "$MNT/4712_flat"
expect mv "$MNT/4712_flat" "$MNT/4711/cp"
expect stub_use check "$MNT/4711/cp"
echo x >>"$MNT/4711/cp"
expect truncate -s -2 "$MNT/4711/cp"
expect stub_use check "$MNT/4711/cp"
