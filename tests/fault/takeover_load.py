# SPDX-License-Identifier: MIT
"""
For takeover_load.sh: the clients that are written in Python, and who kills.

    takeover_load.py map                           files that takeover_node.mjs names, mapped, compared, removed
    takeover_load.py lock DIRECTORY DONE           locks that are held, and some that change hands
    takeover_load.py kill GUARDIAN KILLS SEED LOG  kill the worker, so often; LOG gets when
    takeover_load.py ids GUARDIAN                  how many backing files are registered; they are not any more then
    takeover_load.py stalls PROBES KILLS           how long requests waited for a kill, from two logs
"""

import ctypes
import fcntl
import hashlib
import mmap
import os
import random
import signal
import struct
import sys
import time

# Of the kills, so many are of a worker that has just been started, within that time.
YOUNG, YOUNG_SECONDS = 0.25, 0.03
PAUSE_SECONDS = 0.3

# linux/fuse.h of Linux 6.9 (FUSE_DEV_IOC_BACKING_OPEN, _CLOSE); asm/unistd.h, alike everywhere.
BACKING_OPEN, BACKING_CLOSE = 0x4010E501, 0x4004E502
SYS_PIDFD_GETFD = 438


def map_files():
    count = 0
    for line in sys.stdin:
        path, sha = line.split()
        with open(path, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            content = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) if size else b""
        if hashlib.sha256(content).hexdigest() != sha:
            sys.exit(f"{path}: {size} bytes mapped are not what was written")
        os.unlink(path)
        if os.path.lexists(path):
            sys.exit(f"{path}: is there though it was removed")
        count += 1
    print(f"mapped: {count}")


def is_locked(path, lock):
    with open(path, "r+") as f:
        try:
            lock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def change_hands(directory, done):
    """Count in a file under a lock, until the end. Returns how often."""
    count = 0
    with open(f"{directory}/counter", "r+b", buffering=0) as f:
        while not os.path.exists(done):
            fcntl.flock(f, fcntl.LOCK_EX)
            value = int(os.pread(f.fileno(), 20, 0) or b"0")
            os.pwrite(f.fileno(), b"%019d\n" % (value + 1), 0)
            fcntl.flock(f, fcntl.LOCK_UN)
            count += 1
    return count


def hold_locks(directory, done):
    held = []
    for name in ("flock", "lockf", "counter"):
        held.append(open(f"{directory}/{name}", "w"))
    fcntl.flock(held[0], fcntl.LOCK_EX)
    fcntl.lockf(held[1], fcntl.LOCK_EX)
    counters = []
    for _ in range(2):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(write, b"%d" % change_hands(directory, done))
            os._exit(0)
        counters.append((pid, read))
    checks = 0
    pid = os.fork()  # POSIX locks are a process's
    if pid == 0:
        while not os.path.exists(done):
            for name, lock in (("flock", fcntl.flock), ("lockf", fcntl.lockf)):
                if not is_locked(f"{directory}/{name}", lock):
                    print(f"{name} is not held any more", file=sys.stderr)
                    os._exit(1)
            checks += 1
            time.sleep(0.005)
        print(f"locks: asked {checks} times")
        sys.stdout.flush()
        os._exit(0)
    failed = os.waitpid(pid, 0)[1]
    count = 0
    for pid, read in counters:
        failed |= os.waitpid(pid, 0)[1]
        count += int(os.read(read, 20) or b"0")
    with open(f"{directory}/counter", "rb") as f:
        value = int(f.read() or b"0")
    if failed or value != count:
        sys.exit(f"locks: the counter is {value}, {count} were counted")


def is_worker(pid):
    """Not the prober, or who waits to be a worker, which are children, too."""
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read() == "batonfs\n"
    except OSError:
        return False


def has_threads(pid):
    """
    Not the program that is asked whether it can go on, nor who has just been forked to wait, and has no name of its own yet. That has one
    before it has a second thread, so this is asked first.
    """
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def worker_of(guardian, killed):
    """The youngest child that was not killed; 0: there is none. One that was killed may hang before it is gone."""
    try:
        with open(f"/proc/{guardian}/task/{guardian}/children") as f:
            pids = [int(pid) for pid in f.read().split()]
    except OSError:
        sys.exit("the guardian is gone")
    killed &= set(pids)  # their numbers are given again
    return next((pid for pid in reversed(pids) if pid not in killed and has_threads(pid) and is_worker(pid)), 0)


def describe(guardian):
    """Where the threads are that another worker waits for."""
    with open(f"/proc/{guardian}/task/{guardian}/children") as f:
        pids = [guardian, *f.read().split()]
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            try:
                where = "".join(open(f"/proc/{pid}/task/{tid}/{name}").read() for name in ("comm", "syscall", "stack"))
                state = open(f"/proc/{pid}/task/{tid}/stat").read().rsplit(")", 1)[1].split()[0]
                print(f"{pid} {tid} {state} {where}", file=sys.stderr)
            except OSError:
                pass


def kill(guardian, kills, seed, log, how):
    """Each worker once; or, how=upgrade, it makes room for another program; or, how=both, it is killed while it is to."""
    dice = random.Random(int(seed))
    killed = set()
    with open(log, "w") as f:
        for i in range(int(kills)):
            young = how == "kill" and dice.random() < YOUNG
            pause = dice.uniform(0, YOUNG_SECONDS if young else PAUSE_SECONDS)
            if not young:
                time.sleep(pause + (how == "upgrade") * PAUSE_SECONDS)  # one that is not ready does not leave
            end = time.monotonic() + 30
            while not (worker := worker_of(guardian, killed)):
                if time.monotonic() > end:
                    describe(guardian)
                    sys.exit(f"no other worker after kill {i}")
            if young:
                time.sleep(pause)
            if how == "both":
                os.kill(int(guardian), signal.SIGUSR2)
                time.sleep(dice.uniform(0, PAUSE_SECONDS))
            kind = how if how != "kill" else "young" if young else "grown"
            print(time.monotonic_ns(), kind, worker, file=f, flush=True)
            if how == "upgrade":
                os.kill(int(guardian), signal.SIGUSR2)
            else:
                os.kill(worker, signal.SIGKILL)
            killed.add(worker)
        end = time.monotonic() + 30
        while how == "upgrade" and not (worker := worker_of(guardian, killed)) and time.monotonic() < end:
            time.sleep(0.01)  # the last one is still to be asked whether it can go on
        print(time.monotonic_ns(), "end", worker, file=f)


def ids(guardian):
    """Of all that were ever given, those that can be closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    fds = f"/proc/{guardian}/fd"
    device = next(int(fd) for fd in os.listdir(fds) if os.readlink(f"{fds}/{fd}") == "/dev/fuse")
    own = libc.syscall(SYS_PIDFD_GETFD, os.pidfd_open(int(guardian)), device, 0)
    with open(__file__, "rb") as f:
        newest = fcntl.ioctl(own, BACKING_OPEN, bytearray(struct.pack("iIQ", f.fileno(), 0, 0)))
    count = 0
    for number in range(1, newest + 1):
        try:
            fcntl.ioctl(own, BACKING_CLOSE, struct.pack("I", number))
            count += number != newest
        except FileNotFoundError:
            pass
    print(count, newest - 1)


def percentile(values, part):
    values = sorted(values)
    return values[min(int(len(values) * part), len(values) - 1)] if values else 0


def stalls(probes, kills):
    """
    Of each kill: how long, from then on, a probe took that it was in. A worker killed young prolongs the wait for its predecessor.
    Of each upgrade: the longest that one took from when it was asked for until the next one was. And the same without what the client
    itself waited for a CPU, on a busy machine for the most part when it had its answer.
    """
    for what, part in (("", 0), (", but for clients' waits for a CPU", 1)):
        asked = [(int(a), int(a) + int(b) - part * int(c)) for a, b, c in (line.split()[:3] for line in open(probes))]
        show_stalls(asked, kills, what)


def show_stalls(asked, kills, how):
    killed = [(int(t), kind) for t, kind in (line.split()[:2] for line in open(kills))]
    longest, at = [], 0
    for (when, kind), (following, _) in zip(killed, killed[1:]):
        while at < len(asked) and asked[at][1] < when:
            at += 1
        hit = at < len(asked) and asked[at][0] <= following
        took = (asked[at][1] - max(asked[at][0], when)) / 1e6 if hit else 0
        if kind == "upgrade":  # the worker leaves some time after that
            took = max(((b - a) / 1e6 for a, b in asked if b >= when and a < following), default=0)
        longest.append((took, kind))
    del killed[-1]
    alone = [took for i, (took, _) in enumerate(longest)
             if (i + 1 == len(killed) or killed[i + 1][0] > killed[i][0] + took * 1e6)
             and (i == 0 or killed[i][0] > killed[i - 1][0] + longest[i - 1][0] * 1e6)]
    for what, values in (("all", [took for took, _ in longest]), ("not one upon another", alone)):
        print(f"stalls of kills, {what}{how}: {len(values)}, median {percentile(values, 0.5):.1f} ms, "
              f"p99 {percentile(values, 0.99):.1f}, longest {max(values, default=0):.1f}")


if __name__ == "__main__":
    COMMANDS = {"map": map_files, "lock": hold_locks, "kill": kill, "ids": ids, "stalls": stalls}
    COMMANDS[sys.argv[1]](*sys.argv[2:])
