#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on memory-on
# Relative paths, and names with blanks, commas, quotes and the like, of stores and of mountpoints.
. "$TESTS/lib/mount.sh"

cd "$WORK" || fail "cd"
mkdir plain at
STORE=plain MNT=at
"$BATONFS" plain at >>daemon.log 2>&1 || fail "relative"
echo x >at/4711_x || fail "relative"
expect_eq x "$(cat plain/tree/4711_x)"
expect_eq "$WORK/at" "$(python3 -c 'import json; print(json.load(open("at/.baton/status.json"))["mountpoint"])')"
wait_until 10 fusermount3 -u at

for name in "two words" "a,b" 'back\slash' 'quo"te' "x=y" 'new
line' 'ünicode' '-dash' 'fsname=x,rw' '%s%n'; do
	mkdir "./s $name" "./m $name"
	mkdir -- "$name"
	MNT="$WORK/m $name"
	"$BATONFS" "./s $name" "./m $name" >>daemon.log 2>&1 || fail "cannot mount on: m $name"
	echo "$name" >"m $name/4711/file" || fail "write in: $name"
	expect_eq "$name" "$(cat "s $name/tree/4711/file")"
	BATON_MOUNT="./m $name" "$BATON" ls >/dev/null || fail "baton ls: $name"
	python3 -c 'import json, os, sys
s = json.load(open(sys.argv[1] + "/.baton/status.json"))
sys.exit(s["mountpoint"] != os.path.abspath(sys.argv[1]) or s["store"] != os.path.abspath(sys.argv[2]))' "m $name" "s $name" ||
		fail "status of: $name: $(cat "m $name/.baton/status.json")"
	wait_until 10 fusermount3 -u "m $name"
	"$BATONFS" "$WORK/$name" "$WORK/m $name" >>daemon.log 2>&1 || fail "cannot mount the store: $name"
	wait_until 10 fusermount3 -u "m $name"
done
