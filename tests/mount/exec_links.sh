#!/bin/bash
# SPDX-License-Identifier: MIT
# A hard link in another execution hands the file over. When that execution is released, the names left elsewhere
# stay what they were: they can be opened at once, and the file belongs where it is found.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o ttl=1h

# linked FROM TO: one file of four bytes with two names, known to the kernel; TO's execution is over.
linked() {
	echo one >"$MNT/$1"
	expect ln "$MNT/$1" "$MNT/$2"
	expect_eq one "$(cat "$MNT/$2")"
	expect_eq one "$(cat "$MNT/$1")"
	release 2
}

# expect_owned NAME ID: once nobody who opened it before has it open any more.
expect_owned() {
	wait_until 10 owned "$@"
}

owned() {
	cat "$MNT/$1" >/dev/null && [ "$(exec_of "$MNT/$1")" = "$2" ]
}

names=("1/a 2/b" "1/deep/a 2/b" "1_flat 2/b" "1/a 2_flat" "loose.bin 2/b")
mkdir "$MNT/1/deep"
for pair in "${names[@]}"; do
	# shellcheck disable=SC2086
	linked $pair
	left=$MNT/${pair% *}
	expect_eq one "$(cat "$left")" "$pair: the name that is left"
	echo more >>"$left" || fail "$pair: append"
	expect_eq "one more" "$(tr '\n' ' ' <"$left" | sed 's/ $//')" "$pair"
	case $pair in
	loose*) expect_owned "${pair% *}" _ ;;
	*) expect_owned "${pair% *}" 1 ;;
	esac
	expect rm "$left"
done

# Open while its execution ends.
echo one >"$MNT/1/a" && ln "$MNT/1/a" "$MNT/2/b"
exec 5<"$MNT/2/b"
release 2
expect_eq one "$(cat "$MNT/1/a")"
expect_eq one "$(cat <&5)"
exec 5<&-
expect_owned 1/a 1

# The first to open it truncates it.
expect ln "$MNT/1/a" "$MNT/2/b"
release 2
: >"$MNT/1/a" || fail "truncate"
expect_owned 1/a 1

# With a time of its own, which it keeps.
expect setfattr -n user.baton.ttl -v 1h "$MNT/1/a"
expect ln "$MNT/1/a" "$MNT/2/b"
release 2
expect_eq "" "$(cat "$MNT/1/a")"
expect_eq 3600 "$(about "$MNT/1/a" ttl)"

# links NAME NUMBER: as many names it has; of one that goes with an execution no client's request tells the kernel.
links() {
	[ "$(stat -c %h "$MNT/$1")" = "$2" ]
}

# It is charged to the execution that is left; if the kernel has forgotten it, only at the next mount. So it is
# held, but not open, meanwhile.
echo three >"$MNT/3/a" && echo x >"$MNT/3/x"
coproc holder { python3 -c '
import os, sys
os.open(sys.argv[1], os.O_PATH)
print("held", flush=True)
sys.stdin.read()' "$MNT/3/a"; }
pid=$holder_PID
read -r _ <&"${holder[0]}"
expect ln "$MNT/3/a" "$MNT/2/b"
expect_sums 3 1 2
expect_sums 2 1 6
release 2
expect_owned 3/a 3
expect_sums 3 2 8
wait_until 10 links 3/a 1 # its other name is in the trash
expect rm "$MNT/3/a"
expect_sums 3 1 2
eval "exec ${holder[1]}>&-"
wait "$pid" || fail "the holder"

# The name that made it another execution's is gone, and that execution with it; then the one that was left, too.
expect_eq "" "$(ls "$MNT/6")" # it is known, and comes back as the same
echo five >"$MNT/1/five" && expect ln "$MNT/1/five" "$MNT/6_five" && expect rm "$MNT/6_five" "$MNT/1/five"
echo six >"$MNT/6_six"
expect_sums 6 1 4

# The kernel has forgotten whose it was.
echo 7 >"$MNT/7/seven" && echo 7 >"$MNT/7/stays" && echo 8 >"$MNT/8/stays" && expect ln "$MNT/7/seven" "$MNT/8/eight"
expect_sums 7 1 2
expect_sums 8 2 4
sync
echo 2 >/proc/sys/vm/drop_caches
expect stat -c "" "$MNT/7/seven" "$MNT/8/eight"
expect rm "$MNT/7/seven"
expect rm "$MNT/8/eight"
expect_sums 7 1 2
expect_sums 8 1 2
release 6
release 7

# The same, and that one is over.
mkdir "$MNT/7/stays"
echo 7 >"$MNT/7/seven" && expect ln "$MNT/7/seven" "$MNT/8/seven"
sync
echo 2 >/proc/sys/vm/drop_caches
release 8
expect rm "$MNT/7/seven"
expect_sums 7 0 0
release 7

# A name less in a released execution.
echo four >"$MNT/1/four" && expect ln "$MNT/1/four" "$MNT/4/four" && expect ln "$MNT/1/four" "$MNT/4_flat"
links 1/four 3 || fail "1/four: three links"
release 4
wait_until 10 links 1/four 1

# The names that are left, of what one has to account for, go with another: then that is gone for the former, too. Open,
# forgotten by the kernel, or neither.
for i in a b c; do echo 567 >"$MNT/5/$i" && expect ln "$MNT/5/$i" "$MNT/9/$i" && expect mv "$MNT/5/$i" "$MNT/5/-$i"; done
echo x >"$MNT/9/x" && echo x >"$MNT/5/x" && expect ln "$MNT/9/a" "$MNT/5/a"
for i in b c; do expect ln "$MNT/9/$i" "$MNT/5/$i"; done
expect_sums 5 4 14
expect_sums 9 1 2
expect rm "$MNT"/5/?a "$MNT"/5/?b "$MNT"/5/?c "$MNT"/5/a "$MNT"/5/b "$MNT"/5/c
exec 5<"$MNT/9/b"
expect_sums 5 4 14
sync
echo 2 >/proc/sys/vm/drop_caches
release 9
expect_sums 5 1 2
expect_eq 567 "$(cat <&5)"
exec 5<&-
release 5

# The execution that is left ends like any other.
release 1
release 3
expect_eq "" "$(ls -A "$MNT")"
