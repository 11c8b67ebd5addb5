#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on memory-off
# builds: ci
#
# takeover=on: the worker is killed in the middle of a request, which the next one is sent again: nothing is counted twice
# or never uncounted, no descriptor is left, and who is refused something is refused it all the same.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# killed POINT COMMAND...: it comes to that point, where the worker is killed; at once again if POINT is given as 2POINT.
killed() {
	local point=${1#2} running

	echo "$point" >"$WORK/hang"
	"${@:2}" &
	running=$!
	wait_until 10 test ! -e "$WORK/hang"
	if [ "$point" != "$1" ]; then
		echo "$point" >"$WORK/hang"
		kill -9 "$(worker_pid)"
		wait_until 10 test ! -e "$WORK/hang"
	fi
	kill -9 "$(worker_pid)"
	wait $running
}

is_closed() {
	[ "$(status 'd["open"]')" = 0 ]
}

# Descriptors of files that have no name any more, in the table that guardian and workers share.
nameless() {
	find "/proc/$(daemon_pid)/fd" -lname "*/tree/*(deleted)" | wc -l
}

open_and_close() {
	: <"$1"
}

export BATONFS_FAULT_HANG=$WORK/hang
mount_batonfs -o takeover=on
echo x | tee "$MNT/1/a" >"$MNT/1/b"
setfattr -n user.old -v old "$MNT/1/a"
wait_until 10 is_closed

# An open is counted as long as somebody has it.
for point in counted uncounts; do
	expect killed $point open_and_close "$MNT/1/a"
	(wait_until 10 is_closed) || fail "$point: counted as open for ever"
done

# What has been removed holds no descriptor once nobody has it, however often that was begun.
exec 3<"$MNT/1/b"
expect killed 2removes unlink "$MNT/1/b"
[ "$(nameless)" -gt 0 ] || fail "nothing keeps what is open without a name"
exec 3<&-
none_is_nameless() {
	[ "$(nameless)" = 0 ]
}
(wait_until 10 none_is_nameless) || fail "$(nameless) descriptors are left"

# An attribute that was there, or was not, before the request.
expect killed xattr setfattr -n user.new -v new "$MNT/1/a"
expect_eq new "$(getfattr --only-values --absolute-names -n user.new "$MNT/1/a")"
expect killed xattr python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.made", b"made", os.XATTR_CREATE)' "$MNT/1/a"
expect_eq made "$(getfattr --only-values --absolute-names -n user.made "$MNT/1/a")"
expect killed xattr setfattr -x user.new "$MNT/1/a"
expect_fail getfattr -n user.new "$MNT/1/a"

# What a rename leaves in its place is not what is to be renamed.
echo moved >"$MNT/1/c"
whiteout() {
	python3 -c 'import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
at, whiteout = -100, 4
sys.exit(libc.renameat2(at, os.fsencode(sys.argv[1]), at, os.fsencode(sys.argv[2]), whiteout))' "$@"
}
expect killed renamed whiteout "$MNT/1/c" "$MNT/1/d"
expect_eq moved "$(cat "$MNT/1/d")"
expect_eq "character special file" "$(stat -c %F "$MNT/1/c")"

# refused POINT HOW: as killed(), for one that is refused, and need not come that far.
refused() {
	local running

	echo xattr >"$WORK/hang"
	python3 -c 'import os, sys
path, why = sys.argv[1:]
try:
    if why == "EEXIST":
        os.setxattr(path, "user.old", b"new", os.XATTR_CREATE)
    elif why == "REPLACE":
        os.setxattr(path, "user.none", b"new", os.XATTR_REPLACE)
    else:
        os.removexattr(path, "user.none")
except OSError as e:
    print(e.errno)' "$MNT/1/a" "$1" >"$WORK/errno" &
	running=$!
	came_or_ended() {
		[ ! -e "$WORK/hang" ] || gone "$running"
	}
	wait_until 10 came_or_ended
	[ -e "$WORK/hang" ] || kill -9 "$(worker_pid)"
	wait $running
	rm -f "$WORK/hang"
	cat "$WORK/errno"
}
expect_eq 17 "$(refused EEXIST)" "an attribute that was there"
expect_eq old "$(getfattr --only-values --absolute-names -n user.old "$MNT/1/a")"
expect_eq 61 "$(refused REPLACE)" "an attribute to be replaced"
expect_eq 61 "$(refused REMOVE)" "an attribute to be removed"
expect_fail getfattr -n user.none "$MNT/1/a"

# A name that goes with its execution, of a file that has another one, when the worker dies before the kernel is told.
ln "$MNT/1/a" "$MNT/2/a" || fail "link"
expect_eq 2 "$(stat -c %h "$MNT/1/a")"
expect killed links-told release 2
has_one_name() {
	[ "$(stat -c %h "$MNT/1/a")" = 1 ]
}
(wait_until 10 has_one_name) || fail "$(stat -c %h "$MNT/1/a") names, in place of 1"
