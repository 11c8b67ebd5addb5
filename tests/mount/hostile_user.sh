#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci
# Another user gets at nothing of an execution that its owner closes, by no way there is.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o "takeover=$([ "$STORE_KIND" = memory ] && echo on || echo off)"
run_as 1000 sh -c "umask 077 && mkdir -m 700 $MNT/5/mine && echo secret >$MNT/5/mine/file && echo secret >$MNT/5_flat &&
	echo secret >$MNT/5/closed" || fail "write"
sum=$(seal_sum of "$MNT/5/mine/file")
number=$(stat -c %i "$MNT/5/closed")

for what in "cat $MNT/5/mine/file" "cat $MNT/5/closed" "cat $MNT/5_flat" "ls $MNT/5/mine" "stat $MNT/5/mine/file" \
	"getfattr --only-values -n user.baton.xxh3 $MNT/5/closed" "cp $MNT/5/closed $MNT/6_copy" "ln $MNT/5/closed $MNT/6_link" \
	"mv $MNT/5/closed $MNT/6_moved" "mv $MNT/5_flat $MNT/6_flat" "mv $MNT/5/mine $MNT/6_mine" "rm -f $MNT/5/closed" \
	"rm -rf $MNT/5/mine" "rmdir $MNT/5" "chmod 777 $MNT/5/mine" "truncate -s 0 $MNT/5/closed" "touch $MNT/5_flat" \
	"setfattr -n user.baton.ttl -v 1s $MNT/5_flat" "setfattr -n user.baton.ttl -v 1s $MNT/5/closed" \
	"setfattr -n user.baton.pinned -v 1 $MNT/5" "setfattr -n trusted.batonfs.blob -v x $MNT/5/closed" \
	"$BATON -m $MNT release 5" "$BATON -m $MNT pin 5" "$BATON -m $MNT ttl 5 1s" "$BATON -m $MNT fsck --repair" \
	"$BATON -m $MNT ref $MNT/5/closed" "$BATON -m $MNT put 5 $WORK/none"; do
	expect_fail run_as 1001 bash -c "$what" >"$WORK/out" 2>&1
	! grep -q "secret\|$sum" "$WORK/out" || fail "told by: $what"
done

# By number and handle, as far as the kernel lets him; a generation more or less.
run_as 1001 python3 - "$MNT" "$number" <<'END' || fail "by handle"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
mount = os.open(sys.argv[1], os.O_RDONLY)
for type, handle in ((0x81, struct.pack("QI", int(sys.argv[2]), 0)), (1, struct.pack("II", int(sys.argv[2]), 0))):
    raw = struct.pack("Ii", len(handle), type) + handle
    if libc.open_by_handle_at(mount, ctypes.c_char_p(raw), os.O_RDONLY) >= 0:
        sys.exit("opened")
END
expect_eq "secret secret secret" "$(cat "$MNT/5/mine/file" "$MNT/5/closed" "$MNT/5_flat" | paste -sd' ')"
expect_eq "1000 0 3600" "$(stat -c %u "$MNT/5/closed") $(shown 5 pinned) $(shown 5 ttl)"
expect unmount_batonfs
