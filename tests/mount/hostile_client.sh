#!/bin/bash
# SPDX-License-Identifier: MIT
# What a client can do to confuse others, or the daemon: names of any bytes at the top and so in .baton, trees deeper than a
# path can be, floods of attributes, garbage in every file of .baton. Afterwards all is well, and nothing is in the log.
# variants: memory-on ext4-off
# builds: ci asan
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o "takeover=$([ "$STORE_KIND" = memory ] && echo on || echo off)"

# Names: every byte, the longest, no UTF-8. What lists them is JSON, and a line each.
python3 - "$MNT" <<'END' || fail "names"
import errno, json, os, sys
top = os.fsencode(sys.argv[1])
names = [b"%c%c_name" % (c, c) for c in range(1, 256) if c != ord("/")] + [b"n" * 255, b"\xff" * 255, b"\n1_x", b"..."]
for name in names:
    with open(os.path.join(top, name), "xb") as f:
        f.write(name)
for name in (b"n" * 256, b"\xff" * 300):
    try:
        os.mkdir(os.path.join(top, name))
    except OSError as e:
        assert e.errno == errno.ENAMETOOLONG, e
    else:
        sys.exit("too long, but made")
assert sorted(set(os.listdir(top)) & set(names)) == sorted(names)
for name in names:
    path = os.path.join(top, name)
    assert open(path, "rb").read() == name
    os.getxattr(path, b"user.baton.execution")
control = os.path.join(top, b".baton")
for file in os.listdir(control):
    if file.endswith(b".json"):
        json.load(open(os.path.join(control, file), encoding="utf-8"))
for id in os.listdir(os.path.join(control, b"executions")):
    json.load(open(os.path.join(control, b"executions", id, b"execution.json"), encoding="utf-8"))
for id in (b"\n", b"\x1b[2J", b"\xff", b"..", b"%s", b"'; DROP TABLE file; --"):
    try:
        open(os.path.join(control, b"why", id), "rb").read()
        os.stat(os.path.join(control, b"executions", id, b"ttl"))
    except OSError as e:
        assert e.errno in (errno.ENOENT, errno.EISDIR, errno.EINVAL, errno.ENOTDIR), e
for name in names:
    os.unlink(os.path.join(top, name))
END
expect "$BATON" -m "$MNT" ls >"$WORK/out"
[ -z "$(tr -d '\n[:print:]' <"$WORK/out")" ] || fail "baton ls prints control characters"

# A tree of 2000 levels, whose paths are longer than any may be; loops; a directory into what is in it.
python3 - "$MNT/7" <<'END' || fail "deep"
import errno, os, sys
def refused(what, name, *args):
    try:
        what(*args)
    except OSError as e:
        assert e.errno == name, (e, args)
    else:
        sys.exit(f"not refused: {args}")

os.chdir(sys.argv[1])
os.symlink("b", "a"), os.symlink("a", "b"), os.symlink(".", "self")
refused(os.stat, errno.ELOOP, "a")
refused(os.stat, errno.ELOOP, "self/" * 41)
os.makedirs("up/down/below")
refused(os.rename, errno.EINVAL, "up", "up/down/below/up")
refused(os.rename, errno.ENOTEMPTY, "up/down/below", "up")
refused(os.link, errno.EPERM, "up", "link")
os.mkdir("deep")
os.chdir("deep")
for i in range(2000):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
fd = os.open("bottom", os.O_CREAT | os.O_RDWR)
os.write(fd, b"at the bottom")
os.fstat(fd)
os.setxattr(fd, b"user.baton.ttl", b"1h")
assert os.getxattr("bottom", b"user.baton.execution") == b"7"
os.rename(f"{sys.argv[1]}/deep", f"{sys.argv[1][:-1]}8_deep")
os.rename(f"{sys.argv[1][:-1]}8_deep", f"{sys.argv[1]}/deeper")
assert open("bottom", "rb").read() == b"at the bottom"
os.chdir("/")
END
expect release 7
wait_until 30 is_over 7
[ -z "$(ls -A "$MNT/7")" ] || fail "left: $(ls -A "$MNT/7")"

# Attributes until no more fit; names of ours that are none.
python3 - "$MNT/9" <<'END' || fail "attributes"
import errno, os, sys
path = sys.argv[1] + "/file"
open(path, "x").close()
for i in range(20000):
    try:
        os.setxattr(path, f"user.{i}", b"v" * 200)
    except OSError as e:
        assert e.errno in (errno.ENOSPC, errno.E2BIG, errno.EDQUOT), e
        break
try:
    os.listxattr(path)
except OSError as e:
    assert e.errno == errno.E2BIG, e
for name in ("user.baton.", "user.baton.x", "user.baton." + "x" * 240, "user.baton.\xff", "trusted.batonfs.auto",
             "trusted.batonfs.blob", "user.baton.execution", "user.baton.xxh3", "user.baton.\n"):
    for value in (b"", b"0", b"\0" * 64, b"9" * 65536):
        try:
            os.setxattr(path, name, value)
        except OSError:
            pass
        else:
            sys.exit(f"set: {name}")
for value in (b"", b"\0", b"-1", b"1e999", b"nan", b"9" * 60, b"1h\nx", b"\xff" * 64, b"%n%n", b"1" * 65536):
    try:
        os.setxattr(path, "user.baton.ttl", value)
    except OSError as e:
        assert e.errno in (errno.EINVAL, errno.ERANGE, errno.E2BIG), (e, value)
    else:
        sys.exit(f"ttl: {value}")
END
expect_eq 3600 "$(about "$MNT/9/file" ttl)"

# Garbage, at any offset, in every file of .baton; whatever else can be done to them.
python3 - "$MNT" <<'END' || fail "garbage"
import os, random, sys
random.seed(4711)
os.chdir(sys.argv[1] + "/.baton")
n = 0
for top, dirs, files in os.walk("."):
    for name in dirs + files:
        path = f"{top}/{name}"
        for how in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_CREAT):
            if name == "upgrade" and how != os.O_WRONLY:
                continue
            try:
                fd = os.open(path, how | os.O_NONBLOCK)  # a read of the accesslog waits for lines
            except OSError:
                continue
            # Any text upgrades: one is enough.
            for size in (1,) if name == "upgrade" else (1, 2, 63, 64, 65, 4095, 4096, 70000):
                data = random.choice([random.randbytes(size), b"9" * size, b"x\n" * (size // 2), b"\0" * size])
                for what in (lambda: os.write(fd, data), lambda: os.pwrite(fd, data, random.choice([1, 1 << 40, 1 << 62])),
                             lambda: os.ftruncate(fd, size), lambda: os.read(fd, size), lambda: os.lseek(fd, -1, os.SEEK_END),
                             lambda: os.posix_fallocate(fd, 0, size), lambda: os.copy_file_range(fd, fd, size, 0, 1)):
                    try:
                        what()
                        n += 1
                    except (OSError, OverflowError):
                        pass
            os.close(fd)
        for what in (lambda: os.unlink(path), lambda: os.rmdir(path), lambda: os.rename(path, f"{top}/other"),
                     lambda: os.link(path, f"{sys.argv[1]}/9/link"), lambda: os.symlink("x", path + "x"), lambda: os.chmod(path, 0o7777),
                     lambda: os.chown(path, 1, 1), lambda: os.truncate(path, 99), lambda: os.setxattr(path, "user.x", b"y"),
                     lambda: os.mkfifo(path + "x"), lambda: os.mkdir(path + "x"), lambda: os.listxattr(path), lambda: os.utime(path)):
            try:
                what()
            except OSError:
                pass
END
expect cat "$MNT/.baton/version" "$MNT/.baton/status.json" "$MNT/.baton/metrics" >"$WORK/out"
[ "$STORE_KIND" != memory ] || expect kill -KILL "$(status 'd["worker"]')" # the next one finds all well, too
[ ! -e "$MNT/9/link" ] || fail "a link to what is in .baton"
echo well >"$MNT/10/file" && expect_eq well "$(cat "$MNT/10/file")"
expect_sums 10 1 5
expect "$BATON" -m "$MNT" fsck >"$WORK/out"
expect unmount_batonfs
