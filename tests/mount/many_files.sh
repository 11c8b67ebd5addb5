#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# Many files in one execution (100 000 in one of the variants): created, listed, released. The release is one
# rename: it returns, and all is gone for everybody; a reader that maps one reads on; the space comes back.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

count=10000
[ "$STORE_KIND$OPTS$SANITIZER" != memory ] || count=100000

mount_batonfs

mkdir "$MNT/1/files"
expect many_files make "$MNT/1/files" $count
expect_sums 1 $count $((count * 10))
expect_eq $count "$(ls -U "$MNT/1/files" | wc -l)" "listed"
expect_eq "$(seq $count | md5sum)" "$(ls -U "$MNT/1/files" | sort -n | md5sum)" "each of them once"
used=$(status 'd["size"] - d["free"]')

# Maps one, waits for a line, checks that it is what it was.
mkfifo "$WORK/in" "$WORK/out"
many_files hold "$MNT/1/files/77" <"$WORK/in" >"$WORK/out" &
exec 5>"$WORK/in" 6<"$WORK/out"
read -r said <&6
expect_eq mapped "$said"

# Released, looked at and used again, whether the trash is still at it or not.
release 1
[ ! -e "$MNT/1/files" ] && [ ! -e "$MNT/1/files/77" ] || fail "there after the release"
expect_eq "" "$(ls -A "$MNT/1")"
echo again >"$MNT/1/file"
expect_eq released "$(why 1 'r["reason"]')"
expect_eq $count "$(why 1 'r["files"]')"
echo >&5
read -r said <&6
expect_eq whole "$said" "a mapped file after the release"

emptied() {
	[ "$(status 'd["trash"]')" = 0 ]
}
wait_until 60 emptied
expect_eq again "$(cat "$MNT/1/file")"
freed=$((used - $(status 'd["size"] - d["free"]')))
[ $freed -gt $((count * 2000)) ] || fail "only $freed bytes came back of $used"

# The kernel forgets, and so does the daemon.
echo 2 >/proc/sys/vm/drop_caches
few_known() {
	[ "$(status 'd["inodes_known"]')" -lt 20 ]
}
wait_until 20 few_known
