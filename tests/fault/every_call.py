# SPDX-License-Identifier: MIT
"""
For every_call.sh: one call after the other of a daemon fails (preload/failing_calls.c), during each kind of request.

    every_call.py requests KIND CONTROL STEP MOUNTPOINT PID    each STEPth call of each request
    every_call.py start KIND CONTROL STEP COMMAND...           each STEPth call of a daemon that is being started

KIND is calls or allocations.

The answer is success or an honest error, which is the injected one or what stands in OTHERS; what is done again without a
fault works, what was there before is as it was, and the daemon lives.
"""

import errno
import json
import mmap
import os
import random
import stat
import struct
import subprocess
import sys

CALLS, ALLOCATIONS = 1, 2
LAYOUT = "IIIIII32s"
FAULTS = {"calls": [(CALLS, errno.EIO), (CALLS, errno.ENOSPC), (CALLS, errno.EMFILE), (CALLS, errno.ENOMEM)],
          "allocations": [(ALLOCATIONS, errno.ENOMEM)]}
MOST = 400  # calls of one request, and more

# Errors that may be told instead: of a thread that cannot be started, a table that is full, a call that told nothing.
OTHERS = {errno.EIO, errno.EAGAIN, errno.ENFILE, errno.ENOMEM}

DATA = random.Random(1).randbytes(70_000)


class Control:
    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate(struct.calcsize(LAYOUT))
            self.map = mmap.mmap(f.fileno(), 0)

    def arm(self, what, first, last, error):
        self.map[:] = struct.pack(LAYOUT, 0, 0, first, last, error, 0, b"")
        self.map[0:4] = struct.pack("I", what)

    def disarm(self):
        """Returns how many failed, and the name of the last one."""
        self.map[0:4] = struct.pack("I", 0)
        values = struct.unpack(LAYOUT, self.map[:])
        return values[5], values[6].split(b"\0")[0].decode()


def write(path, data=DATA, flags=os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        while data:
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)


def read(path):
    with open(path, "rb", buffering=0) as f:
        return f.readall()


def exists(path):
    return os.path.lexists(path)


def need(truth, what):
    if not truth:
        raise AssertionError(what)


# Each: what is there before; the request; what it has done. `d` is a directory of its own.

def create(d):
    write(f"{d}/new")


def created(d):
    need(read(f"{d}/new") == DATA, "content")


def with_file(d):
    write(f"{d}/f")


def two_opens(d):
    fd = os.open(f"{d}/f", os.O_RDWR)
    try:
        need(os.pread(fd, 100, 0) == DATA[:100], "read")
        os.fsync(fd)
        os.fstat(fd)
        os.posix_fallocate(fd, 0, len(DATA))
    finally:
        os.close(fd)


def whole(d):
    need(read(f"{d}/f") == DATA, "content")


def cut(d):
    os.truncate(f"{d}/f", 1000)


def was_cut(d):
    need(read(f"{d}/f") == DATA[:1000], "content")


def copy(d):
    a = os.open(f"{d}/f", os.O_RDONLY)
    try:
        b = os.open(f"{d}/copy", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            left = len(DATA)
            while left:
                left -= os.copy_file_range(a, b, left) or left
        finally:
            os.close(b)
    finally:
        os.close(a)


def copied(d):
    need(read(f"{d}/copy") == DATA and read(f"{d}/f") == DATA, "content")


def rename(d):
    os.rename(f"{d}/f", f"{d}/g")


def renamed(d):
    need(read(f"{d}/g") == DATA and not exists(f"{d}/f"), "rename")


def remove(d):
    os.unlink(f"{d}/f")


def removed(d):
    need(not exists(f"{d}/f"), "is there")


def make_directory(d):
    os.mkdir(f"{d}/sub")
    os.rmdir(f"{d}/sub")


def links(d):
    os.link(f"{d}/f", f"{d}/hard")
    os.symlink("f", f"{d}/soft")
    need(os.readlink(f"{d}/soft") == "f", "readlink")
    os.mkfifo(f"{d}/fifo")


def linked(d):
    need(os.stat(f"{d}/hard").st_nlink == 2 and stat.S_ISFIFO(os.stat(f"{d}/fifo").st_mode), "links")


def clear_links(d):
    for name in ("hard", "soft", "fifo"):
        if exists(f"{d}/{name}"):
            os.unlink(f"{d}/{name}")


def attributes(d):
    os.chmod(f"{d}/f", 0o600)
    os.chown(f"{d}/f", 1, 2)
    os.utime(f"{d}/f", (1, 2))
    os.setxattr(f"{d}/f", "user.a", b"b")
    need(os.getxattr(f"{d}/f", "user.a") == b"b" and os.listxattr(f"{d}/f") == ["user.a"], "xattr")
    os.removexattr(f"{d}/f", "user.a")


def have_attributes(d):
    st = os.stat(f"{d}/f")
    need((st.st_mode & 0o777, st.st_uid, st.st_gid, st.st_mtime) == (0o600, 1, 2, 2), "attributes")


def look(d):
    os.listdir(d)
    os.statvfs(d)
    read(f"{top(d)}/.baton/status.json")
    read(f"{top(d)}/.baton/metrics")
    read(f"{top(d)}/.baton/executions/{os.path.basename(d)}/execution.json")
    exists(f"{d}/nobody")
    exists(f"{top(d)}/123456")


def keep(d):
    os.setxattr(d, "user.baton.ttl", b"1h")
    write(f"{top(d)}/.baton/executions/{os.path.basename(d)}/pinned", b"1", 0)


def kept(d):
    shown = f"{top(d)}/.baton/executions/{os.path.basename(d)}"
    need(read(f"{shown}/pinned").strip() == b"1", "pin")


def ask_hash(d):
    need(len(os.getxattr(f"{d}/f", "user.baton.xxh3")) == 32, "hash")


def release(d):
    write(f"{top(d)}/.baton/executions/{os.path.basename(d)}/release", b"1", 0)


def released(d):
    need(not os.listdir(d), "is there")


def nothing(_):
    pass


def top(d):
    return os.path.dirname(d)


REQUESTS = [
    (nothing, create, created), (with_file, two_opens, whole), (with_file, cut, was_cut), (with_file, copy, copied),
    (with_file, rename, renamed), (with_file, remove, removed), (with_file, make_directory, whole),
    (with_file, links, linked), (with_file, attributes, have_attributes), (with_file, look, whole),
    (with_file, keep, kept), (with_file, ask_hash, whole), (with_file, release, released),
]


class Round:
    def __init__(self, top, control, pid):
        self.top, self.control, self.pid, self.number, self.wrong = top, control, pid, 10_000, []
        self.told = {}

    def again(self, request, done, d):
        """Without a fault; what the first attempt had done already is not done twice."""
        if request is links:
            clear_links(d)
        if request is make_directory and exists(f"{d}/sub"):
            os.rmdir(f"{d}/sub")
        try:
            done(d)
        except (OSError, AssertionError):
            request(d)
            done(d)

    def one(self, how, what, first, error):
        before, request, done = how
        self.number += 1
        d = f"{self.top}/{self.number}"
        write(f"{d}/witness", b"witness")
        before(d)
        while json.loads(read(f"{self.top}/.baton/executions/{self.number}/execution.json"))["open"]:
            pass  # the last close is not waited for by who closes
        said = None
        self.control.arm(what, first, first, error)
        try:
            request(d)
        except OSError as e:
            said = e.errno
        hits, name = self.control.disarm()
        case = f"{request.__name__}: call {first} ({name}) failed with {errno.errorcode[error]}"
        try:
            if said is not None:
                self.told[errno.errorcode[said]] = self.told.get(errno.errorcode[said], 0) + 1
                need(hits, f"{errno.errorcode[said]} without a fault")
                need(said == error or said in OTHERS, f"told {errno.errorcode[said]}")
                if request is not release:
                    need(read(f"{d}/witness") == b"witness", "witness")
                self.again(request, done, d)
            else:
                done(d)
            if request is not release:
                need(read(f"{d}/witness") == b"witness", "witness")
        except (OSError, AssertionError) as e:
            self.wrong.append(f"{case}: {e}")
        if not os.path.exists(f"/proc/{self.pid}"):
            sys.exit("\n".join(self.wrong + [f"{case}: the daemon is dead"]))
        if request is not release:
            try:
                unpin = f"{self.top}/.baton/executions/{self.number}/pinned"
                if request is keep:
                    write(unpin, b"0", 0)
                release(d)
            except OSError as e:
                self.wrong.append(f"{case}: release afterwards: {e}")
        return hits


def requests(kind, path, step, top, pid):
    step, calls = int(step), 0
    r = Round(top, Control(path), pid)
    for how in REQUESTS:
        for what, error in FAULTS[kind]:
            n = random.randrange(1, step + 1)
            while n < MOST and r.one(how, what, n, error):
                calls += 1
                n += step
    print(f"failed calls: {calls}; told: {r.told}")
    sys.exit("\n".join(r.wrong) if r.wrong else 0)


def start(kind, path, step, *command):
    step, wrong, calls = int(step), [], 0
    control = Control(path)
    mountpoint, baton = command[2], os.environ["BATON"]
    for what, error in FAULTS[kind]:
        n = random.randrange(1, step + 1)
        while n < 5000:
            control.arm(what, n, n, error)
            with open(f"{path}.err", "w+") as said:  # no pipe: a daemon may keep it
                p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=60,
                                   env=os.environ | {"LD_PRELOAD": os.environ["FAILING"]})
                said.seek(0)
                text = said.read()
            hits, name = control.disarm()
            case = f"start: call {n} ({name}) failed with {errno.errorcode[error]}"
            mounted = os.path.ismount(mountpoint)
            if p.returncode < 0 or p.returncode > 100:
                wrong.append(f"{case}: exit {p.returncode}")
            if p.returncode and not text.strip():
                wrong.append(f"{case}: exit {p.returncode} and not a word")
            if mounted != (p.returncode == 0):
                wrong.append(f"{case}: exit {p.returncode}, mounted: {mounted}")
            if mounted:
                if not os.path.exists(f"{mountpoint}/1/f") or read(f"{mountpoint}/1/f") != DATA:
                    wrong.append(f"{case}: a file is not what it was")
                subprocess.run(["fusermount3", "-u", mountpoint], check=True)
            if not hits:
                break
            calls += 1
            n += step
    print(f"failed calls: {calls}")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    {"requests": requests, "start": start}[sys.argv[1]](*sys.argv[2:])
