#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that go at the moment they are closed, or are changed after they went, leave nothing in the sums of
# their execution: the kernel does not wait for RELEASE.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs
echo kept >"$MNT/7/kept"
cat >"$WORK/churn.py" <<'END'
import os, sys
for i in range(int(sys.argv[2])):
    name = f"{sys.argv[1]}/{os.getpid()}-{i}"
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * 5000)
    if i % 2:
        os.close(fd)
        os.unlink(name)
    else:
        os.unlink(name)
        os.ftruncate(fd, 100000)
        os.close(fd)
END
children=()
rounds=1500
[ -z "$SANITIZER" ] || rounds=300
for _ in 1 2 3; do
	python3 "$WORK/churn.py" "$MNT/7" $rounds &
	children+=($!)
done
expect wait "${children[@]}"
sums_are_right() {
	[ "$(sums 7)" = "1 5" ]
}
wait_until 10 sums_are_right
expect unmount_batonfs
