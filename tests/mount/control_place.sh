#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# .baton stands where it stands: nothing takes its place, whoever moves it, and it goes nowhere.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# move FROM TO [FLAGS]: renameat2(2); mv looks first.
move() {
	python3 - "$@" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
at = -100
if libc.renameat2(at, sys.argv[1].encode(), at, sys.argv[2].encode(), int((sys.argv + ["0"])[3])):
    sys.exit(os.strerror(ctypes.get_errno()))
END
}

mount_batonfs -o uid=1000,dmask=0
mkdir "$MNT/dir" "$MNT/dir/empty"
for user in 0 1000; do
	expect_errno EPERM run_as $user rmdir "$MNT/.baton"
	for flags in 0 1 2; do # RENAME_NOREPLACE: it is there; RENAME_EXCHANGE
		expect_fail run_as $user move "$MNT/dir/empty" "$MNT/.baton" $flags
		expect_fail run_as $user move "$MNT/.baton" "$MNT/dir/empty" $flags
		expect_fail run_as $user move "$MNT/.baton" "$MNT/elsewhere" $flags
	done
	expect_fail run_as $user mkdir "$MNT/.baton"
	expect_fail run_as $user ln -sfT /tmp "$MNT/.baton"
	expect_fail run_as $user rm -rf "$MNT/.baton"
done
[ -d "$MNT/dir/empty" ] || fail "the directory is gone"
expect cat "$MNT/.baton/version"
expect test ! -e "$MNT/elsewhere"
