#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
#
# baton put and get, as scripts use them: what is put comes back; nothing half-done is left, nothing wrong is given.
. "$TESTS/lib/mount.sh"

mount_batonfs
export BATON_MOUNT=$MNT
cd "$WORK" || fail "cd"
head -c 5000003 /dev/urandom >data

expect "$BATON" put 4711 data >ref
expect cmp data "$MNT/4711/data"
expect "$BATON" get - <ref >out
expect cmp data out
expect "$BATON" get "$(cat ref)" copy
expect cmp data copy

# From and into pipes; an execution whose name does not look like n8n's; over what is there; nothing at all.
head -c 300000 data | expect "$BATON" put job-x - piped >ref2
"$BATON" get - <ref2 | cmp -n 300000 - data || fail "piped"
expect_eq 300000 "$(stat -c %s "$MNT/job-x/piped")"
expect "$BATON" put job-x ref piped >/dev/null
expect cmp ref "$MNT/job-x/piped"
expect "$BATON" put 4711 - empty </dev/null >ref3
expect_eq "" "$("$BATON" get - <ref3)"

# Wrong usage, with what to do about it.
for args in "put 4711 -" "put 4711 data a/b" "put 4711 data .." "put a/b data" "get {}" "get nonsense" "put 4711" $'put 4711 data a\xff'; do
	# shellcheck disable=SC2086 # words
	"$BATON" $args </dev/null >out 2>said
	expect_eq 2 $? "exit status of: $args"
	expect_eq 1 "$(wc -l <said)" "lines for: $args"
	expect_eq "" "$(cat out)" "output of: $args"
done

expect_match '"size":5000003,"verified":true,"hash":true' "$("$BATON" get "$(cat ref)" copy --json)"
"$BATON" get --json "$(cat ref)" >out 2>/dev/null
expect_eq 2 $? "content among JSON"

# What cannot be read or written leaves nothing.
expect_fail "$BATON" put 4712 none 2>/dev/null
expect_fail "$BATON" put 4712 / x 2>/dev/null
expect_eq "" "$(ls -A "$MNT/4712")" "left behind by what failed"
expect_eq "data empty" "$(find "$MNT/4711" -type f -printf '%f\n' | sort | paste -sd' ')" "in the execution"

# Where the result is to be counts, not where one is: that may be another filesystem, or nobody's to write to. Links are
# followed; a device and a pipe stay what they are.
mkdir -p unwritable there
chmod 777 there && chmod 755 unwritable .
(cd "$MNT/4711" && expect "$BATON" get "$(cat "$WORK/ref")" "$WORK/there/far") || fail "from another filesystem"
expect cmp data there/far
(cd unwritable && expect run_as 1234 "$BATON" get "$(cat ../ref)" ../there/his) || fail "from where he may not write"
expect cmp data there/his
ln -s there/far link
echo old >there/far
expect "$BATON" get "$(cat ref)" link
expect_eq "symbolic link" "$(stat -c %F link)"
expect cmp data there/far
# But not where the kernel would not follow it: another user's, in a directory that all may write to.
if [ "$(cat /proc/sys/fs/protected_symlinks)" = 1 ]; then
	mkdir -m 1777 sticky
	expect run_as 1234 ln -s ../there/far sticky/trap
	echo old >there/far
	expect_errno EACCES "$BATON" get "$(cat ref)" sticky/trap
	expect_eq old "$(cat there/far)" "where a link of somebody else's leads"
fi
mknod null c 1 3
mkfifo pipe
expect "$BATON" get "$(cat ref)" null
cmp data - <pipe &
expect "$BATON" get "$(cat ref)" pipe
expect wait $!
expect_eq "character special file fifo" "$(stat -c %F null pipe | paste -sd' ')"
expect_fail "$BATON" get "$(cat ref)" there 2>/dev/null
expect_eq "far his" "$(find there -mindepth 1 -printf '%f\n' | sort | paste -sd' ')"
expect_eq 'there/\ufffdx' "$("$BATON" get --json "$(cat ref)" $'there/\xffx' | python3 -c 'import json, sys; print(ascii(json.load(sys.stdin)["file"])[1:-1])')" "a name that is not UTF-8"

# Whoever ends it leaves nothing half-done; what one leaves that could not know of it is in nobody's way.
parts() {
	find "$1" -name '.baton-*.part'
}
has_part() {
	[ "$(parts "$1")" ]
}
mkfifo halves
for signal in HUP INT TERM KILL; do
	env --default-signal "$BATON" put 4713 - "$signal" <halves &
	exec 3>halves
	echo half >&3
	wait_until 20 has_part "$MNT/4713"
	kill -"$signal" $!
	wait $! 2>/dev/null
	expect_eq "$signal" "$(kill -l $?)" "what has ended it"
	exec 3>&-
done
expect_eq 1 "$(parts "$MNT/4713" | wc -l)" "files left after SIGKILL"
expect_eq "$(parts "$MNT/4713")" "$(find "$MNT/4713" -type f)" "what is left"
expect "$BATON" put 4713 data >/dev/null
env --default-signal bash -c 'ulimit -f 1000 && exec "$0" get "$1" there/large' "$BATON" "$(cat ref)" 2>/dev/null
expect_eq XFSZ "$(kill -l $?)" "what has ended it"
expect_eq "" "$(parts there)$(find there -name large)" "left behind with a limit"

# A file that is another one now is not given.
echo more >>"$MNT/4711/data"
expect_fail "$BATON" get "$(cat ref)" copy2 2>said
[ ! -e copy2 ] || fail "given although it was changed"
echo precious >copy2
expect_fail "$BATON" get "$(cat ref)" copy2 2>said
expect_eq precious "$(cat copy2)" "what was there before"
expect_match 'has 5000008 bytes, the reference says 5000003' "$(cat said)"
expect_fail "$BATON" get "$(cat ref)" >out 2>/dev/null
expect_eq "" "$(cat out)" "output"

# Progress: on a terminal only, and nothing of it is left on the line.
mkfifo slow
script -qec "'$BATON' put 4711 slow slow >'$WORK/ref4'" /dev/null >screen </dev/null &
exec 3>slow
cat data >&3
wait_until 20 bash -c "cat data >'slow'; grep -q 'MiB.*/s' screen"
exec 3>&-
wait $! || fail "put to a terminal"
expect_match $'\r\e\\[K$' "$(tail -c 4 screen)" "the end of the line"

# What the daemon does for a command, it tells of, too. Hashing this much takes seconds; it is ended when it was seen.
truncate -s 60G "$MNT/4711/large"
expect_match "No such attribute" "$(LC_ALL=C getfattr -n user.baton.hashed "$MNT/4711/data" 2>&1)" "hashed of what is not being hashed"
script -qec "echo \$\$ >pid; exec '$BATON' ref '$MNT/4711/large'" /dev/null >screen </dev/null &
wait_until 30 grep -q 'hashing: .* of 60.0 GiB, .*/s, .* left' screen
expect_match '^[0-9]+$' "$(getfattr --only-values -n user.baton.hashed "$MNT/4711/large")" "hashed"
kill "$(cat pid)"
wait $!
wait_until 20 grep -qx '{"tasks":\[\]}' "$MNT/.baton/progress.json"
expect_errno EACCES setpriv --reuid=1000 --clear-groups cat "$MNT/.baton/progress.json"
