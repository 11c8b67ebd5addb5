#!/bin/bash
# SPDX-License-Identifier: MIT
# An execution belongs to who made it real: uid, gid, process and its name, also if a thread did it. It
# stays theirs whoever comes later.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs

cat >"$WORK/make.py" <<'END'
import os, sys, threading
def make():
    open("/proc/thread-self/comm", "w").write("worker thread")
    open(sys.argv[1], "w").close()
t = threading.Thread(target=make)
t.start()
t.join()
print(os.getpid(), open("/proc/self/comm").read().strip())
END
chmod 755 "$WORK" && chmod 644 "$WORK/make.py"
said=$(setpriv --reuid 1234 --regid 5678 --clear-groups python3 "$WORK/make.py" "$MNT/1/x") || fail "python"
expect_eq "1234 5678 $said" "$(shown 1 owner)"
expect_eq "1234 5678 $said" "$(about "$MNT/1/x" owner)"
said=$(setpriv --reuid 1234 --regid 5678 --clear-groups python3 "$WORK/make.py" "$MNT/2_flat") || fail "python"
expect_eq "1234 5678 $said" "$(shown 2 owner)"

touch "$MNT/1/y"
expect_eq "1234 5678" "$(shown 1 owner | cut -d' ' -f1,2)" "after root came"
expect_eq "1234 5678 1234:5678" "$(why 1 '"%(uid)d %(gid)d" % d["now"]["owner"]') $(stat -c %u:%g "$MNT/1")"

[ "$STORE_KIND" != memory ] || exit 0
unmount_batonfs
mount_batonfs
expect_eq "1234 5678 $said" "$(shown 2 owner)" "after a new mount"
