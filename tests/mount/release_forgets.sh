#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# After the release of a large execution the kernel forgets what it had, though nobody looks at its name, and so
# does the daemon. Who has one of its files open or works in one of its directories goes on. Until all is forgotten, it is
# where nobody who looks up the name has to drop it (aside.h).
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

known() {
	status 'd["inodes_known"]'
}

mount_batonfs

mkdir -p "$MNT/2" "$MNT/1/files" "$MNT/1/deep/er"
for i in {1..50}; do
	echo x >"$MNT/2/$i"
done
before=$(known)
expect many_files make "$MNT/1/files" 3000
for i in {1..200}; do
	mkdir "$MNT/1/deep/er/$i"
	echo x >"$MNT/1/deep/er/$i/file"
done

exec 5<"$MNT/1/files/77"
cd "$MNT/1/deep/er/7" || fail "cd"
release 1

# What is still in use: the directory, those above it, the file. A new object for the ID, perhaps.
few_more() {
	[ "$(known)" -le $((before + 10)) ]
}
wait_until 60 few_more
read -r text <&5 || [ -n "$text" ] || fail "the open file cannot be read"
[ -n "$text" ] || fail "the open file is empty"
cd /
exec 5<&-
expect_eq "" "$(ls -A "$MNT/1")"
expect_eq 50 "$(ls "$MNT/2" | wc -l)"
expect_eq "" "$(ls -A "$MNT/.baton" | grep released)"

# Who releases it waits for the move only so long; on a busy machine it may be left where it was.
is_aside() {
	local n=$1

	mkdir -p "$MNT/$n/sub"
	expect many_files make "$MNT/$n" 1500
	cd "$MNT/$n/sub" || fail "cd"
	release "$n"
	case $(readlink /proc/self/cwd) in
	"$MNT"/.baton/released-*/sub*) ;;
	*) return 1 ;;
	esac
	expect_eq "" "$(ls -A "$MNT/$n")"
	! ls "$(readlink /proc/self/cwd)" 2>/dev/null || fail "what was moved aside is found"
}
n=1000
until [ -n "$OPTS" ] || is_aside $n; do # only with passthrough
	n=$((n + 1))
	[ "$n" -lt 1020 ] || fail "never moved aside"
done
cd /
expect unmount_batonfs
