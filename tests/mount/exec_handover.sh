#!/bin/bash
# SPDX-License-Identifier: MIT
# A rename or a link into another execution hands the file over, whole directories with open files too: sums,
# rows and lifetimes move along, and a file that is open keeps the execution it is in now.
# waits
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o ttl=1s
pin() {
	echo 1 >"$MNT/.baton/executions/$1/pinned" || fail "pin $1"
}

data() {
	head -c "$1" /dev/zero
}

# One file, from the flat form and back.
data 1000 >"$MNT/1/a" && data 10 >"$MNT/1/b" && data 5 >"$MNT/2/x" 
pin 1 && pin 2
expect mv "$MNT/1/a" "$MNT/2/a"
expect_sums 1 1 10
expect_sums 2 2 1005
expect_eq 2 "$(exec_of "$MNT/2/a")"
expect mv "$MNT/2/a" "$MNT/1_flat"
expect_sums 1 2 1010
expect_sums 2 1 5
expect_eq 1 "$(exec_of "$MNT/1_flat")"
expect mv "$MNT/1_flat" "$MNT/2-flat"
expect_sums 1 1 10
expect_sums 2 2 1005
expect mv "$MNT/2-flat" "$MNT/2/a"

# Over a file that is there.
expect mv -f "$MNT/2/a" "$MNT/1/b"
expect_sums 1 1 1000
expect_sums 2 1 5

# A link: the execution of the last one accounts for it.
expect ln "$MNT/1/b" "$MNT/2/linked"
expect_eq 2 "$(exec_of "$MNT/2/linked")"
expect_sums 2 2 1005
expect rm "$MNT/1/b"
expect_sums 1 0 0
expect_eq 1000 "$(stat -c %s "$MNT/2/linked")"

# A directory, with a file that is being written, and one that is only open.
mkdir -p "$MNT/3/d/e/f"
data 100 >"$MNT/3/d/e/f/closed"
data 200 >"$MNT/3/d/e/f/read"
exec 5>"$MNT/3/d/e/writing" 6<"$MNT/3/d/e/f/read"
data 3000 >&5
pin 3
expect_eq 2 "$(why 3 'd["now"]["open"]')"
expect mv "$MNT/3/d" "$MNT/4/moved"
pin 4
expect_eq "4 4" "$(exec_of "$MNT/4/moved/e/writing") $(exec_of "$MNT/4/moved/e/f/closed")"
data 4000 >&5
expect_eq 0 "$(shown 3 files)"
expect_eq 2 "$(why 4 'd["now"]["open"]')"
exec 5>&-
expect_sums 4 3 7300
expect_sums 3 0 0
expect_eq "0 0" "$(sums 3)"
# New files in it are of the new execution.
data 50 >"$MNT/4/moved/e/new"
expect_sums 4 4 7350

# The open file keeps 4, not 3.
echo 0 >"$MNT/.baton/executions/3/pinned"
echo 0 >"$MNT/.baton/executions/4/pinned"
wait_until 20 is_over 3
expect_eq expired "$(why 3 'r["reason"]')"
data 1 >"$MNT/99/clock"
wait_until 20 is_over 99 # as much time again
is_real 4 || fail "4 is gone although a file in it is open"
exec 6<&-
wait_until 20 is_over 4
expect_eq "4 7350" "$(why 4 'str(r["files"]) + " " + str(r["bytes"])')"

# An execution's own directory under another ID: what was set on it goes along, and so does what is open.
data 10 >"$MNT/5/a"
exec 6<"$MNT/5/a"
pin 5
echo 77 >"$MNT/.baton/executions/5/ttl"
(cd "$MNT/5" && python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$MNT/5" "$MNT/6" && cat a && echo x >b) >/dev/null ||
	fail "cannot rename an execution"
is_over 5 || fail "5 is still there"
expect_eq removed "$(why 5 'r["reason"]')"
expect_eq "" "$(ls -A "$MNT/5")" "the old ID"
expect_eq "a b" "$(ls "$MNT/6" | tr '\n' ' ' | sed 's/ $//')" "the new ID"
expect_eq "1 77" "$(shown 6 pinned) $(shown 6 ttl)"
expect_sums 6 2 12
data 20 >"$MNT/5/new"
expect_eq "new" "$(ls -A "$MNT/5")"
expect_eq "5 6" "$(exec_of "$MNT/5/new") $(exec_of "$MNT/6/a")"
[ "$(stat -c %i "$MNT/5")" != "$(stat -c %i "$MNT/6")" ] || fail "two directories, one number"
expect rm "$MNT/5/new"
exec 6<&-
release 6
expect_eq "" "$(ls -A "$MNT/6")"
data 1 >"$MNT/6/x"
expect_eq x "$(ls -A "$MNT/6")"

# Exchanged. (Where it is not one of batonfs's own making.)
mkdir "$MNT/job-a" "$MNT/job-b"
data 10 >"$MNT/job-a/x" && data 20 >"$MNT/job-b/y" && data 30 >"$MNT/7_x" && data 40 >"$MNT/8_x"
for id in job-a job-b 7 8; do pin $id; done
rename_with() {
	python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
r = libc.renameat2(-100, os.fsencode(sys.argv[2]), -100, os.fsencode(sys.argv[3]), int(sys.argv[1]))
sys.exit(os.strerror(ctypes.get_errno()) if r else 0)' "$@" || fail "rename_with $*"
}
exchange() {
	rename_with 2 "$1" "$2"
}
exchange "$MNT/job-a" "$MNT/job-b"
expect_sums job-a 1 20
expect_sums job-b 1 10
expect_eq job-a "$(exec_of "$MNT/job-a/y")"
exchange "$MNT/7_x" "$MNT/8_x"
expect_sums 7 1 40
expect_sums 8 1 30
for id in job-a job-b 7 8; do
	expect_eq "[]" "$(why $id 'd["releases"]')"
	release $id
	expect_eq 1 "$(why $id 'r["files"]')"
done
for name in job-a job-b 7_x 8_x; do [ ! -e "$MNT/$name" ] || fail "$name is there after its release"; done

# What a rename leaves in its place (RENAME_WHITEOUT) is the execution's that had the name.
data 10 >"$MNT/7_x"
rename_with 4 "$MNT/7_x" "$MNT/8/x"
expect_sums 7 0 0
expect_sums 8 1 10
release 7
release 8
[ ! -e "$MNT/7_x" ] || fail "7_x is there after its release"

# What was a part of one becomes one by itself, and n8n's.
mkdir -p "$MNT/9/part" "$MNT/9/data" "$MNT/n8n/w/executions" && data 10 >"$MNT/9/part/x" && data 20 >"$MNT/9/data/x"
pin 9
expect mv -T "$MNT/9/part" "$MNT/job-c"
pin job-c
expect_sums job-c 1 10
expect_eq job-c "$(exec_of "$MNT/job-c/x")"
expect mv -T "$MNT/9/data" "$MNT/n8n/w/executions/77"
expect_sums 77 1 20
expect_eq 77 "$(exec_of "$MNT/n8n/w/executions/77/x")"
expect_sums 9 0 0
release job-c
[ ! -e "$MNT/job-c" ] || fail "job-c is there after its release"

# In and out of `_`, where files live one by one.
mkdir "$MNT/two words" && data 10 >"$MNT/two words/x" && data 10 >"$MNT/9/y" && mkdir "$MNT/9/d" && data 10 >"$MNT/9/d/z"
pin 9
expect mv "$MNT/two words/x" "$MNT/9/x"
expect mv "$MNT/two words" "$MNT/9/dir"
expect mv "$MNT/9/d" "$MNT/to be gone"
expect_eq _ "$(exec_of "$MNT/to be gone/z")"
wait_until 20 test ! -e "$MNT/to be gone/z"
[ -e "$MNT/9/x" ] || fail "a pinned execution's file expired by itself"
