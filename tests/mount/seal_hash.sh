#!/bin/bash
# SPDX-License-Identifier: MIT
# The hash of a file's content: there when it is asked for, never of a content that was before.
# timeout: 120
# waits
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

has_hash() {
	about "$1" xxh3 >/dev/null 2>&1
}

# hash_is FILE: the mount says what the content says, as soon as it knows that the file is closed.
hash_is() {
	wait_until 20 has_hash "$1"
	expect_eq "$(seal_sum of "$1")" "$(about "$1" xxh3)" "hash of $1"
}

# has_none FILE [ATTRIBUTE]: ENODATA, which getfattr has its own words for.
has_none() {
	local out

	out=$(LC_ALL=C getfattr -n "user.baton.${2:-xxh3}" "$1" 2>&1) && fail "$1 has one: $out"
	expect_match "No such attribute" "$out"
}

hashed() {
	status 'd["seal"]["hashed_files"]'
}

has_hashed() {
	[ "$(hashed)" -ge "$1" ]
}

# in_ledger FILE: its hash, with times that prove something.
in_ledger() {
	python3 - "$STORE/ledger.db" "$(stat -c %i "$1")" <<'END'
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
row = db.execute("SELECT seal_ctime_ns FROM file WHERE ino = ? AND xxh3 IS NOT NULL", (sys.argv[2],)).fetchone()
sys.exit(not (row and row[0] > 0))
END
}

is_sealed() {
	[ "$(about "$1" sealed)" = "$2" ]
}

mount_batonfs
f=$MNT/4711/input.bin

# Small, empty, big; asked for right behind the close.
: >"$f"
hash_is "$f"
expect_eq 99aa06d3014798d86001c324468d497f "$(about "$f" xxh3)" "empty file"
echo hello >"$f"
hash_is "$f"
expect dd if=/dev/urandom of="$f" bs=64K count=80 status=none
hash_is "$f"

# Hashed by itself behind its close; also behind one of holes nearly without end, which is not.
before=$(hashed)
expect truncate -s 4T "$MNT/4711/holes"
expect cp "$f" "$MNT/4711/copy"
wait_until 60 has_hashed $((before + 1))
expect_errno EFBIG getfattr -n user.baton.xxh3 "$MNT/4711/holes"
expect rm "$MNT/4711/holes"
hash_is "$MNT/4711/copy"

# What changes no content changes no hash, and costs none.
expect unmount_batonfs
mount_batonfs -o hash=asked
expect dd if=/dev/urandom of="$f" bs=64K count=80 status=none
exec 9<"$f" # another test may have the kernel drop its caches; a file that it forgets is hashed again
hash_is "$f"
expect_eq 1 "$(hashed)" "files hashed"
expect chmod 600 "$f"
expect touch -h "$f" # without -h it opens it for writing
expect mv "$f" "$MNT/4712_input.bin"
f=$MNT/4712_input.bin
expect ln "$f" "$MNT/4713_link"
hash_is "$MNT/4713_link"
expect_eq 1 "$(hashed)" "files hashed"
exec 9<&-

# Open for writing: none.
wait_until 20 is_sealed "$f" 1
exec 9>>"$f"
expect_eq 0 "$(about "$f" sealed)" "sealed while it is open for writing"
has_none "$f"
echo more >&9
exec 9>&-
hash_is "$f"
expect_eq 1 "$(about "$f" sealed)" "sealed"
exec 9<"$f" # a reader does not matter
hash_is "$f"
expect_eq 1 "$(about "$f" sealed)" "sealed"
exec 9<&-

# Mapped for writing, though closed: none. What the mapping writes at last is in the hash.
coproc seal_sum hold "$f"
pid=$COPROC_PID
read -r -u "${COPROC[0]}" line
expect_eq mapped "$line"
has_none "$f"
expect_eq 0 "$(about "$f" sealed)" "sealed while it is mapped for writing"
eval "exec ${COPROC[1]}>&-"
wait_until 20 gone "$pid"
hash_is "$f"

# References carry it, and are checked by it.
expect "$BATON" ref "$f" >"$WORK/ref"
expect_match "\"xxh3\":\"$(seal_sum of "$f")\"" "$(cat "$WORK/ref")" "reference"
expect "$BATON" verify "$(cat "$WORK/ref")" >"$WORK/out"
expect_match "unchanged" "$(cat "$WORK/out")"
expect "$BATON" verify --json - <"$WORK/ref" >"$WORK/out"
expect_match '"verified":true' "$(cat "$WORK/out")"
exec 9<>"$f"
expect_match '"mtime":[0-9.]*}$' "$("$BATON" ref "$f")" "reference of a file that is open for writing"
"$BATON" verify - <"$WORK/ref" 2>"$WORK/out"
expect_eq 3 $? "exit status, open for writing"
expect_match "open for writing" "$(cat "$WORK/out")"
printf "another content" >&9 # one byte would be the same in 1 of 256 runs
exec 9>&-
"$BATON" verify - <"$WORK/ref" 2>"$WORK/out"
expect_eq 1 $? "exit status, another one"
expect_match "its hash is" "$(cat "$WORK/out")"
echo more >>"$f"
"$BATON" verify - <"$WORK/ref" 2>"$WORK/out"
expect_eq 1 $? "exit status, longer"
expect_match "the reference says" "$(cat "$WORK/out")"
"$BATON" verify '{"path":"/nowhere","size":1}' 2>"$WORK/out"
expect_eq 1 $? "exit status, not there"
for reference in nonsense "{\"path\":\"$f\",\"size\":$(stat -c %s "$f"),\"xxh3\":0}"; do
	"$BATON" verify "$reference" 2>"$WORK/out"
	expect_eq 2 $? "exit code for what is no reference: $reference"
done

# Where it is not mounted, there may be a file of that name all the same.
cp "$f" "$WORK/elsewhere"
for hash in '' ",\"xxh3\":\"$(seal_sum of "$f")\""; do
	"$BATON" verify "{\"path\":\"$WORK/elsewhere\",\"size\":$(stat -c %s "$f")$hash}" 2>"$WORK/out" &&
		fail "verified, but it is not on a batonfs"
	expect_match "not on a batonfs" "$(cat "$WORK/out")"
done

# Only files have one; it cannot be set; who may not read the file may not read its hash.
has_none "$MNT/4711"
has_none "$MNT/4711" sealed
expect_errno EPERM setfattr -n user.baton.xxh3 -v 1 "$f"
expect_errno EPERM setfattr -n user.baton.sealed -v 1 "$f"
expect_errno EACCES run_as 1000 getfattr -n user.baton.xxh3 "$f"

# A daemon that is not given leases cannot tell; references are made all the same.
expect unmount_batonfs
printf '#!/bin/sh\nexec setpriv --bounding-set -lease "%s" "$@"\n' "$BATONFS" >"$WORK/batonfs"
expect chmod 755 "$WORK/batonfs"
BATONFS=$WORK/batonfs mount_batonfs
expect install -o 1000 -m 644 /dev/null "$MNT/4711/foreign"
expect_match '"mtime":[0-9.]*}$' "$(expect "$BATON" ref "$MNT/4711/foreign")" "reference without leases"

# Changed in every way, asked for at any moment, also while it is hashed by itself.
expect unmount_batonfs
mount_batonfs
racers=()
for i in 1 2 3; do
	seal_sum race "$MNT/77/r$i" 5 >"$WORK/race$i" 2>&1 &
	racers+=($!)
done
for i in 0 1 2; do
	wait "${racers[$i]}" || fail "$(cat "$WORK/race$((i + 1))")"
done

[ "$STORE_KIND" != memory ] || exit 0

# The next daemon remembers, where a write through a mapping cannot have gone unseen.
expect cp "$f" "$MNT/4711/old"
wait_until 60 in_ledger "$MNT/4711/old"
expect unmount_batonfs
mount_batonfs -o hash=asked
exec 7<"$MNT/4711/old" # so it stays known, whatever other tests have the kernel forget
hash_is "$MNT/4711/old"
expect_eq "$([ "$STORE_KIND" = tmpfs ] && echo 1 || echo 0)" "$(hashed)" "files hashed after a restart"
before=$(hashed)
printf x | dd of="$MNT/4711/old" conv=notrunc status=none || fail "dd"
exec 7<"$MNT/4711/old" # which may be another inode now
hash_is "$MNT/4711/old"
expect_eq $((before + 1)) "$(hashed)" "files hashed"

# After a crash nothing is taken for granted.
exec 7<&-
kill_batonfs
mount_batonfs -o hash=asked
exec 7<"$MNT/4711/old"
hash_is "$MNT/4711/old"
expect_eq 1 "$(hashed)" "files hashed after a crash"
exec 7<&-
