#!/bin/bash
# SPDX-License-Identifier: MIT
# With limit=strict an execution gets exactly what exec_bytes= and exec_files= say, however it is written, renamed and
# linked, and whoever reads is not concerned.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

bytes=1000003
mount_batonfs -o exec_bytes=$bytes,exec_files=20,limit=strict

mkdir -p "$MNT/x"
expect limit_ways "$MNT/1" $bytes 20
expect_eq "$bytes 20" "$(shown 1 limit_bytes) $(shown 1 limit_files)"
expect_eq "20 0" "$(sums 1)"
expect_eq "$bytes 20 strict" "$(status '"%s %s %s" % (d["limits"]["bytes"], d["limits"]["files"], d["limits"]["limit"])')"
expect_match "20 of 20 files" "$("$BATON" -m "$MNT" stat 1)"

# Between executions.
head -c 600000 /dev/zero >"$MNT/2/a"
head -c 600000 /dev/zero >"$MNT/3/b"
expect_errno EDQUOT mv -T "$MNT/2/a" "$MNT/3/a"
expect_errno EDQUOT ln "$MNT/2/a" "$MNT/3/a"
expect_errno EDQUOT mv -T "$MNT/2" "$MNT/3/below"
expect_eq "1 600000" "$(sums 2)"
expect_eq "1 600000" "$(sums 3)"
expect mv "$MNT/2/a" "$MNT/3/b" # in its place
expect_sums 3 1 600000
head -c 600000 /dev/zero >"$MNT/2/a"
exec 5<"$MNT/3/b" # what is open counts for as long as that
expect_errno EDQUOT mv "$MNT/2/a" "$MNT/3/b"
exec 5<&-
expect mv "$MNT/2/a" "$MNT/3/b"
expect_sums 3 1 600000
head -c 300000 /dev/zero >"$MNT/4/c"
mkdir "$MNT/dir"
expect mv "$MNT/4/c" "$MNT/dir"
expect mv -T "$MNT/dir" "$MNT/3/dir"
expect_sums 3 2 900000
expect_errno EDQUOT truncate -s 700004 "$MNT/3/b"

# Who writes while the directory above changes hands is counted on the other side, however often the reaper looks.
passes() {
	sed -n 's/^batonfs_reaper_passes_total //p' "$MNT/.baton/metrics"
}
passed() {
	[ "$(passes)" -ge "$1" ]
}
mkdir "$MNT/4/dir"
exec 5>"$MNT/4/dir/w"
head -c 600000 /dev/zero >&5
expect mv -T "$MNT/4/dir" "$MNT/8/dir"
wait_until 10 passed $(($(passes) + 3))
expect_eq "1 600000" "$(sums 8)"
head -c 600000 /dev/zero >&5 2>/dev/null && fail "more than the limit was written"
exec 5>&-
expect_eq $bytes "$(stat -c %s "$MNT/8/dir/w")"
expect rm "$MNT/8/dir/w"
expect_sums 8 0 0

# Those who name no execution share nothing.
head -c 2000000 /dev/zero >"$MNT/big.bin" || fail "_ has a limit"
expect_errno EDQUOT mv "$MNT/big.bin" "$MNT/5/big.bin"
head -c 2000000 /dev/zero >"$MNT/5/big" 2>/dev/null && fail "more than the limit was written"
expect_eq $bytes "$(stat -c %s "$MNT/5/big")"

# A writer comes while readers have it open and mapped: they see what he writes.
python3 - "$MNT/7/f" <<'END' || fail "a writer beside readers"
import mmap, os, sys
with open(sys.argv[1], "wb") as f:
    f.write(b"x" * 100000)
r = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(r, 0, access=mmap.ACCESS_READ)
for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC:
    w = os.open(sys.argv[1], flags)
    os.write(w, b"abc")
    assert os.pread(r, 3, 0) == b"abc"
    assert m[:3] == b"abc"
    os.pwrite(w, b"xyz", 0)
    os.close(w)
assert os.stat(sys.argv[1]).st_size == 3
END
expect_sums 7 1 3

# A reader of what is being written sees it grow, and opens and maps it as ever.
python3 - "$MNT/6/f" <<'END' || fail "readers"
import mmap, os, sys
w = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
for i in range(100):
    os.write(w, b"%09d\n" % i)
    r = os.open(sys.argv[1], os.O_RDONLY)
    m = mmap.mmap(r, 0, access=mmap.ACCESS_READ)
    assert m[:] == b"".join(b"%09d\n" % j for j in range(i + 1))
    assert os.pread(r, 10, 10 * i) == b"%09d\n" % i
    assert os.fstat(r).st_size == 10 * (i + 1)
    m.close()
    os.close(r)
os.close(w)
w = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(w, 0)
m[0:4] = b"work"
r = os.open(sys.argv[1], os.O_RDONLY)
assert os.pread(r, 4, 0) == b"work"
END
expect_sums 6 1 1000

# Several writers beside one reader, who opens it when there is one already.
python3 - "$MNT/8/log" <<'END' || fail "two writers and a reader"
import mmap, os, sys
a = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
os.write(a, b"a")
r = os.open(sys.argv[1], os.O_RDONLY)
m = mmap.mmap(r, 1, access=mmap.ACCESS_READ)
for flags in os.O_WRONLY, os.O_RDWR:
    b = os.open(sys.argv[1], flags | os.O_APPEND)
    os.write(b, b"b")
    os.write(a, b"c")
    os.close(b)
assert os.pread(r, 9, 0) == b"abcbc"
os.pwrite(os.open(sys.argv[1], os.O_WRONLY), b"d", 0)
assert m[:1] == b"d"
END
expect_sums 8 1 5

# A writer comes while others read it, and is told to come again: whom he meets then he can share it with, who came by
# another name, too. The first one here comes by a way on which the kernel does not look again.
echo old >"$MNT/9/f"
python3 - "$MNT/9/f" "$MNT/.baton/status.json" <<'END' || fail "a writer who is told to come again"
import errno, json, os, sys
path, status = sys.argv[1:]
def opened_by_daemon(path):
    before = json.load(open(status))["opens"]["daemon"]
    fd = os.open(path, os.O_RDONLY)
    return fd, json.load(open(status))["opens"]["daemon"] - before
os.link(path, path + "2")
at = os.open(path, os.O_PATH)
r, by_daemon = opened_by_daemon(path)
passthrough = by_daemon == 0
try:
    os.close(os.open("/proc/self/fd/%d" % at, os.O_WRONLY))
    assert not passthrough, "opened beside readers in passthrough"
except OSError as e:
    assert e.errno == errno.ESTALE, e
    # The next one is expected. In passthrough only when nobody is any more.
    fd, by_daemon = opened_by_daemon(path)
    assert by_daemon == 1, by_daemon
    while True:
        os.close(fd)
        fd, by_daemon = opened_by_daemon(path)
        if by_daemon == 0:
            break
w = os.open(path + "2", os.O_WRONLY | os.O_TRUNC)
os.write(w, b"new")
assert os.pread(r, 9, 0) == b"new", os.pread(r, 9, 0)
END
expect_eq new "$(cat "$MNT/9/f")"
expect_sums 9 1 3

# The sums are known again after a restart.
if [ "$STORE_KIND" != memory ]; then
	unmount_batonfs
	mount_batonfs -o exec_bytes=$bytes,exec_files=20,limit=strict
	expect_sums 3 2 900000
	expect_sums 1 20 0
	expect_errno EDQUOT truncate -s 700004 "$MNT/3/b"
	expect_errno EDQUOT touch "$MNT/1/more"
	expect truncate -s 100000 "$MNT/3/b"
	expect_sums 3 2 400000
fi
