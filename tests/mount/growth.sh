#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on ext4-off
# builds: ci
# A day in a few seconds: what comes and goes leaves nothing behind, in no table, no descriptor, no row, also when the worker
# was replaced meanwhile; of IDs that were looked up once, the last ones stay known; drop_caches leaves nothing at all.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

executions=${EXECUTIONS:-100}
takeover=$([ "$STORE_KIND" = memory ] && echo on || echo off)

cat >"$WORK/hour.py" <<'END'
import errno, mmap, os, subprocess, sys
top, baton, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
shared = os.urandom(1 << 17)

def write(path, data):
    with open(path, "wb") as f:
        f.write(data)

def read(path):
    with open(path, "rb") as f:
        return f.read()

def tell(path, text):
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)

for i in range(first, first + count):
    id = str(i) if i % 3 else f"{i:08x}-0000-4000-8000-000000000000"
    d = f"{top}/{id}"
    about = f"{top}/.baton/executions/{id}"
    os.makedirs(f"{d}/sub")
    write(f"{d}/sub/in", b"%d" % i * 1000)
    write(f"{d}_flat", b"{}")
    write(f"{d}/shared", shared)
    with open(f"{d}/sub/in", "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as m:
        assert m[:] == b"%d" % i * 1000
    source, copy = os.open(f"{d}/shared", os.O_RDONLY), os.open(f"{d}/copy", os.O_WRONLY | os.O_CREAT)
    while os.copy_file_range(source, copy, 1 << 20):
        pass
    os.close(source), os.close(copy)
    os.rename(f"{d}/sub/in", f"{d}/out")
    os.symlink("out", f"{d}/symlink")
    os.link(f"{d}/out", f"{d}/link")
    os.setxattr(f"{d}/out", "user.note", b"x")
    os.setxattr(f"{d}/link", "user.baton.ttl", b"2h")
    assert not os.path.exists(f"{d}/none") and not os.path.exists(f"{top}/none{i}")
    fd = os.open(f"{d}/gone", os.O_CREAT | os.O_RDWR)
    os.unlink(f"{d}/gone")
    os.write(fd, b"x")
    os.close(fd)
    tell(f"{about}/pinned", b"1")
    tell(f"{about}/pinned", b"0")
    tell(f"{about}/ttl", b"90s")
    for name in os.listdir(about):
        if name != "release":
            read(f"{about}/{name}")
    [e.stat() for e in os.scandir(d)]
    if i % 10 == 0:
        for name in ("status.json", "metrics", "sharing.json", "executions.json"):
            read(f"{top}/.baton/{name}")
        fd = os.open(f"{top}/.baton/accesslog", os.O_RDONLY | os.O_NONBLOCK)
        os.stat(d)
        os.close(fd)
    if i % 50 == 0:
        for command in (["ls"], ["stat", id], ["ref", f"{d}/out"], ["why", id], ["gc"]):
            subprocess.run([baton, "-m", top, *command], stdout=subprocess.DEVNULL, check=True)
    if i % 2:
        tell(f"{about}/release", b"1")
    else:
        for name in ("out", "link", "symlink", "copy", "shared"):
            os.unlink(f"{d}/{name}")
        os.rmdir(f"{d}/sub")
        os.unlink(f"{d}_flat")
        os.setxattr(d, "user.baton.ttl", b"default")
    read(f"{top}/.baton/why/{id}")
END

# Nothing is there, nor under way.
idle() {
	[ -z "$(ls -A "$MNT")" ] && [ "$(status 'd["open"] + d["trash"] + d["executions"]')" -le 1 ]
}

forgotten() {
	echo 2 >/proc/sys/vm/drop_caches
	[ "$(status 'd["inodes_known"]')" -le 2 ] && [ "$(status 'd["control_nodes_known"]')" -le 2 ]
}

known() {
	status 'd["inodes_known"], "inodes", d["control_nodes_known"], "nodes of .baton"'
}

# count WHAT: what the daemon has, when nothing is there.
count() {
	case $1 in
	descriptors) find "/proc/$(daemon_pid)/fd" -type l | wc -l ;;
	threads) find "/proc/$(status 'd["worker"]')/task" -mindepth 1 -maxdepth 1 | wc -l ;;
	esac
}

agrees() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}

hours=0
hour() {
	expect python3 "$WORK/hour.py" "$MNT" "$BATON" $((10000000 + hours * executions)) "$executions"
	hours=$((hours + 1))
	(wait_until 20 agrees) >/dev/null || fail "fsck: $(cat "$WORK/fsck")"
	(wait_until 30 idle) >/dev/null || fail "not idle: $(ls -A "$MNT") $(status d)"
	(wait_until 20 forgotten) >/dev/null || fail "known after drop_caches: $(known)"
	expect_eq "0 0" "$(status 'd["files"]') $(status 'd["bytes"]')" "files and bytes"
}

# As much as the first hour left: some are kept warm.
no_more() {
	[ "$(count descriptors)" -le $((descriptors + 4)) ] && [ "$(count threads)" -le $((threads + 2)) ]
}

mount_batonfs -o "takeover=$takeover,dedup_min=64K"
hour
descriptors=$(count descriptors)
threads=$(count threads)
if [ "$takeover" = on ]; then
	expect kill -KILL "$(status 'd["worker"]')"
	expect "$BATON" -m "$MNT" upgrade >"$WORK/out"
fi
hour
(wait_until 20 no_more) >/dev/null ||
	fail "descriptors $descriptors, now $(count descriptors); threads $threads, now $(count threads)"

# ---- IDs that somebody looks for ----

# As many as KNOWN_IDS_MAX, and those of this moment; each with a file.
few_known() {
	[ "$(status 'd["inodes_known"] + d["control_nodes_known"] // 2')" -le 2100 ]
}

cd "$MNT/20000000" || fail cd
python3 -c 'import os, sys
for i in range(20000000, 20004000):
    os.stat(f"{sys.argv[1]}/{i}")
    assert not os.path.exists(f"{sys.argv[1]}/{i}/none")' "$MNT" || fail "stat"
(wait_until 20 few_known) >/dev/null || fail "known of IDs that were looked up: $(known)"
echo x >file && expect_eq x "$(cat "$MNT/20000000/file")" "in the working directory"
expect_eq "$MNT/20000000" "$(pwd -P)" "the working directory"

# Made, looked at, and emptied by who made them.
cd "$MNT/.baton/executions/20000000" || fail cd
python3 -c 'import os, sys
top = sys.argv[1]
for i in range(21000000, 21003000):
    with open(f"{top}/{i}/file", "x"):
        os.stat(f"{top}/.baton/executions/{i}/ttl")
        os.stat(f"{top}/.baton/why/{i}")
    os.unlink(f"{top}/{i}/file")' "$MNT" || fail "make"
one_left() {
	[ "$(ls "$MNT")" = 20000000 ]
}
wait_until 20 one_left
(wait_until 20 few_known) >/dev/null || fail "known of IDs that were made: $(known)"
expect_eq 1 "$(cat files)" "in the working directory"
cd / || fail cd
expect release 20000000
(wait_until 20 forgotten) >/dev/null || fail "known after drop_caches: $(known)"
expect unmount_batonfs

[ "$STORE_KIND" = memory ] && exit 0
expect_eq "0 0" "$(python3 -c 'import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(*(c.execute("SELECT count(*) FROM " + t).fetchone()[0] for t in ("file", "execution WHERE id != \"_\"")))' "$STORE/ledger.db")" "rows"
