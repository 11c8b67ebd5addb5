#!/bin/bash
# SPDX-License-Identifier: MIT
# Who made an execution may release, pin and time it, and so may root; nobody else.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs

for id in 1 2 3; do
	run_as 1000 sh -c "echo x >$MNT/$id/file; echo x >$MNT/${id}_flat" || fail "write"
done
at=$MNT/.baton/executions/1

for what in "release 1" "ttl 5s" "pinned 1"; do
	expect_errno EACCES run_as 1001 sh -c "echo ${what#* } >$at/${what% *}"
done
expect_errno EPERM run_as 1001 setfattr -n user.baton.ttl -v 5s "$MNT/1" # by the kernel: it is sticky
expect_errno EACCES run_as 1001 setfattr -n user.baton.ttl -v 5s "$MNT/1/file"
expect_errno EACCES run_as 1001 setfattr -n user.baton.pinned -v 1 "$MNT/1/file"
expect_eq "3600 0 4" "$(run_as 1001 cat "$at/ttl" "$at/pinned" "$at/bytes" | paste -sd' ')"
run_as 1001 cat "$MNT/.baton/why/1" >/dev/null || fail "everybody may ask why"

run_as 1000 sh -c "echo 90 >$at/ttl && echo 1 >$at/pinned && echo 0 >$at/pinned" || fail "the owner may"
expect run_as 1000 setfattr -n user.baton.ttl -v 91 "$MNT/1"
expect_eq 91 "$(shown 1 ttl)"
expect run_as 1000 sh -c "echo 1 >$at/release"
expect_eq "released 1000 sh" "$(why 1 '"%s %d %s" % (r["reason"], r["by"]["uid"], r["by"]["comm"])')"
expect sh -c "echo 1 >$MNT/.baton/executions/2/release"
expect_eq "released 0" "$(why 2 '"%s %d" % (r["reason"], r["by"]["uid"])')"

# What was opened while the ID was his own is of no use to him later, nor in the hands of who may do everything: a
# set-uid program writes what it has to say where he sends it.
python3 - "$MNT" <<'END' || fail "a descriptor that was passed on"
import os, sys
control = sys.argv[1] + "/.baton/executions/5/release"

def make(uid):
    os.seteuid(uid)
    with open(sys.argv[1] + "/5/file", "x"):
        pass

def refused():
    try:
        os.write(fd, b"usage: su")
    except PermissionError:
        return True

make(1001)
fd = os.open(control, os.O_WRONLY)
os.write(fd, b"1")
os.seteuid(0)
make(1000)
os.seteuid(0)
sys.exit(not refused())
END
expect test -e "$MNT/5/file"

# Again, and of what never was: ENOENT.
expect_errno ENOENT bash -c "echo 1 >$MNT/.baton/executions/1/release"
expect_errno ENOENT bash -c "echo 1 >$MNT/.baton/executions/nobody/release"
python3 - "$MNT/.baton/executions/3" <<'END' || fail "a name held open"
import errno, os, sys
fd = os.open(sys.argv[1] + "/release", os.O_WRONLY)
again = os.open(sys.argv[1] + "/ttl", os.O_WRONLY)
os.write(fd, b"1")
for f in fd, again:
    try:
        os.write(f, b"1h")
    except OSError as e:
        assert e.errno == errno.ENOENT, e
    else:
        sys.exit("written")
END

# Values that are none.
echo x >"$MNT/4/x"
write() {
	python3 -c 'import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), sys.argv[2].encode())' \
		"$MNT/.baton/executions/4/$1" "$2"
}
for bad in 2 yes-please ' '; do
	expect_errno EINVAL write pinned "$bad"
done
for bad in -1 soon ' ' 1h2; do
	expect_errno EINVAL write ttl "$bad"
done
expect_errno ERANGE write ttl 0
expect_errno ERANGE write ttl 99999999999d
expect_eq "3600 0" "$(shown 4 ttl) $(shown 4 pinned)"

# With uid= that is whose the files are, not who made them.
expect unmount_batonfs
mount_batonfs -o uid=1000,gid=1000,fmask=0,dmask=0
run_as 65532 sh -c "echo x >$MNT/77/f" || fail "write"
expect_match "^1000 1000 [0-9]* " "$(cat "$MNT/.baton/executions/77/owner")"
expect_errno EACCES run_as 65532 sh -c "echo 1 >$MNT/.baton/executions/77/release"
expect run_as 1000 sh -c "echo 1 >$MNT/.baton/executions/77/release"
