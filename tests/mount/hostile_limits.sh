#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci asan
# What the daemon is allowed is not for one client to use up, nor what its starter was allowed a trap: descriptors, and the
# size of files.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

(
	ulimit -n 256
	ulimit -f 4096
	mount_batonfs
) || fail "mount"
mount_pid[$MNT]=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$MNT/.baton/status.json")

# What outlives a process is larger, too: without it nobody takes over, which is said, and asked for it is not mounted.
if [ "$(status 'd["takeover"]')" = False ]; then
	expect_match "cannot make what outlives it: File too large" "$("$BATON" -m "$MNT" status)"
	expect_match "no takeover: cannot make what outlives it: File too large" "$(cat "$WORK/daemon.log")"
	mkdir "$WORK/other"
	said=$(ulimit -f 4096; "$BATONFS" memory "$WORK/other" -o takeover=on 2>&1 >"$WORK/out") && fail "takeover=on mounts"
	expect_match "takeover=on: cannot make what outlives it: File too large" "$said"
fi

# Larger than whoever started the daemon may make them: done, or refused if the daemon may not lift that.
said=$(LC_ALL=C dd if=/dev/zero of="$MNT/1/large" bs=64K count=100 2>&1) || expect_match "File too large" "$said"
expect rm "$MNT/1/large"
expect cat "$MNT/.baton/version" >"$WORK/out"

# One user has many files open that have no name, more than the daemon may have descriptors; then many that have one.
cat >"$WORK/take.py" <<'END'
import errno, os, sys
top, what = sys.argv[1:]
taken = []
try:
    for i in range(1000):
        if what == "tmpfile":
            taken.append(os.open(top, os.O_TMPFILE | os.O_RDWR))
        else:
            taken.append(os.open(f"{top}/{i}", os.O_CREAT | os.O_RDWR))
            if what == "unlinked":
                os.unlink(f"{top}/{i}")
except OSError as e:
    if e.errno != errno.ENFILE:
        raise
print(len(taken), flush=True)
sys.stdin.read()
for i, fd in enumerate(taken):  # each is whole, and there
    text = b"%d" % i
    if os.pwrite(fd, text, 0) != len(text) or os.pread(fd, 99, 0) != text or os.fstat(fd).st_size != len(text):
        sys.exit(f"file {i}")
    os.ftruncate(fd, 1)
    os.fchmod(fd, 0o600)
END

others_go_on() {
	echo x >"$MNT/3/x" && mkdir -p "$MNT/3/dir" && mv "$MNT/3/x" "$MNT/3/dir" && rm -r "$MNT/3/dir" &&
		stat "$MNT/2" && ls -l "$MNT/2" && cat "$MNT/.baton/status.json" && "$BATON" -m "$MNT" ls
}

for what in unlinked tmpfile named; do
	mkdir "$MNT/2/$what" && chown 1000 "$MNT/2/$what"
	coproc run_as 1000 python3 "$WORK/take.py" "$MNT/2/$what" "$what"
	pid=$COPROC_PID
	read -r -u "${COPROC[0]}" taken
	if [[ $OPTS == *passthrough=off* ]]; then
		[ "$taken" -gt 50 ] || fail "$what: only $taken"
		expect mkdir "$MNT/3/dir"
		expect mv "$MNT/3/dir" "$MNT/3/moved"
		expect rmdir "$MNT/3/moved"
		expect ls -l "$MNT/2" >"$WORK/out"
		expect "$BATON" -m "$MNT" ls >"$WORK/out"
	else
		expect_eq 1000 "$taken" "$what"
		expect others_go_on >"$WORK/out"
	fi
	eval "exec ${COPROC[1]}>&-"
	wait "$pid" || fail "$what: exit $?"
	expect others_go_on >"$WORK/out"
done
expect unmount_batonfs
