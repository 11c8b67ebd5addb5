#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# A reference of a file that changes while it is made is of one content: what it says of the file fits its hash.
. "$TESTS/lib/mount.sh"

mount_batonfs
echo before >"$MNT/4711/file"
strace -qq -e trace=getxattr -e inject=getxattr:delay_exit=500ms:when=1 -o "$WORK/trace" \
	"$BATON" ref "$MNT/4711/file" >"$WORK/ref" &
baton=$!
wait_until 20 test -s "$WORK/trace" # it has looked at the file, and is about to ask for the hash
echo afterwards >"$MNT/4711/file"
expect wait $baton
expect "$BATON" verify - <"$WORK/ref" >"$WORK/said"
