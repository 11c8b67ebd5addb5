#!/bin/bash
# SPDX-License-Identifier: MIT
# Directories named like n8n's IDs are there before they are made, are listed once something is in them,
# and go with the last thing in them. Everything that makes a name makes them; so does what is set on them.
# waits
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

uuid=0190a8c2-7b1e-7c3d-9f00-0123456789ab

listed() {
	ls -A "$MNT" | tr '\n' ' ' | sed 's/ $//'
}

nothing_listed() {
	[ -z "$(listed)" ]
}

nothing_left() {
	[[ " $(listed) " != *" 3"[01]" "* ]]
}

mount_batonfs

for id in 1 42 12345678901234567890 $uuid; do
	[ -d "$MNT/$id" ] || fail "$id is not there"
	expect_eq "" "$(ls -A "$MNT/$id")" "what is in $id"
	expect_eq 1777 "$(stat -c %a "$MNT/$id")"
	is_over $id || fail "looking at $id made it real"
done
for name in x 1x 123456789012345678901 ${uuid%b} ${uuid}0 .1 job-7; do
	[ ! -e "$MNT/$name" ] || fail "$name is there"
done
expect_fail touch "$MNT/job-7/x"
expect_fail touch "$MNT/5/nowhere/x"
expect_fail cat "$MNT/5/x"
expect_eq "" "$(listed)" "the root"

# makes ID COMMAND...: it makes the execution real; afterwards it is empty and gone.
makes() {
	local id=$1
	shift
	"$@" || fail "$*"
	is_real "$id" || fail "not real after: $*"
	expect_eq "$id" "$(listed)" "the root after: $*"
	rm -rf "$MNT/$id"/* "$MNT/outside"
	wait_until 20 nothing_listed
	is_over "$id" || fail "still real after: $*"
	[ -d "$MNT/$id" ] || fail "not virtual after: $*"
}

rename_in() {
	echo x >"$MNT/outside" && mv "$MNT/outside" "$MNT/8/in"
}

link_in() {
	echo x >"$MNT/outside" && ln "$MNT/outside" "$MNT/8/in" && rm "$MNT/outside"
}

makes 1 touch "$MNT/1/x"
makes 2 ln -s target "$MNT/2/x"
makes 3 mkdir "$MNT/3/x"
makes 4 mkfifo "$MNT/4/x"
makes 5 mkdir -p "$MNT/5/a/b/c"
makes 6 python3 -c 'import os, sys; os.mknod(sys.argv[1])' "$MNT/6/x"
makes 8 rename_in
makes 8 link_in
expect_eq empty "$(why 8 'r["reason"]')"

# A nameless file has no name.
python3 - "$MNT/10" <<'END' || fail "O_TMPFILE"
import os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR)
os.write(fd, b"x")
os.link(f"/proc/self/fd/{fd}", sys.argv[1] + "/named", src_dir_fd=0) # linkat(2), following
END
expect_eq 10 "$(listed)"
expect rm "$MNT/10/named"
wait_until 20 nothing_listed

# Set on the directory.
expect chmod 755 "$MNT/20"
expect setfattr -n user.mine -v 1 "$MNT/21"
expect chown 1000:1000 "$MNT/22"
expect touch -d 2020-01-01 "$MNT/23"
expect setfattr -n user.baton.ttl -v 90 "$MNT/24"
expect setfattr -n user.baton.pinned -v 1 "$MNT/25"
expect_eq "20 21 22 23 24 25" "$(listed)"
expect_eq "755 1000" "$(stat -c %a "$MNT/20") $(stat -c %u "$MNT/22")"
# What was set by hand on an execution is not lost with its last file.
touch "$MNT/24/x" "$MNT/25/x" && rm "$MNT/24/x" "$MNT/25/x"
expect_eq 90 "$(shown 24 ttl)"
expect_eq 1 "$(shown 25 pinned)"

# A failed creation leaves nothing.
expect_fail run_as 1000 ln "$MNT/nothing" "$MNT/30/x"
expect_fail mkdir "$MNT/31/$(printf 'x%.0s' {1..256})"
wait_until 20 nothing_left

# mkdir and rmdir of what is virtual: it exists, and is empty.
expect_errno EEXIST mkdir "$MNT/40"
expect mkdir -p "$MNT/40"
expect rmdir "$MNT/40"
[ -d "$MNT/40" ] || fail "40 is gone"
(cd "$MNT/40" && rmdir "$MNT/40" && touch "$MNT/40/x") || fail "not usable after rmdir"
expect_eq x "$(ls "$MNT/40")"
expect_errno ENOTEMPTY rmdir "$MNT/40"

# Whose it is, is seen at once when it is made for a mark, and when it has gone: no request for it tells the kernel.
owner_is() {
	[ "$(stat -c %u "$MNT/$1")" = "$2" ]
}
owner_is 41 0 || fail "41 is somebody's"
expect run_as 1000 touch "$MNT/41_flat"
expect run_as 1000 sh -c "echo 1 >'$MNT/.baton/executions/41/pinned'"
owner_is 41 1000 || fail "41 is not its owner's"
expect run_as 1000 touch "$MNT/42/x"
owner_is 42 1000 || fail "42 is not its owner's"
expect run_as 1000 rm "$MNT/42/x"
wait_until 20 owner_is 42 0
