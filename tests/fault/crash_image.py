# SPDX-License-Identifier: MIT
"""
For crash_image.sh: a load that says what it knows to be on the disk, and what must be found there after a crash.

    crash_image.py load MOUNTPOINT LOGS DONE         until DONE is there; LOGS gets a file per worker
    crash_image.py check MOUNTPOINT BEFORE AFTER     BEFORE: the logs just before the image was taken, AFTER: just after

Each worker keeps a few names in a directory of its own. A name is given to a whole new content (written, fsynced, renamed,
the directory fsynced), appended to (fsynced), or removed (the directory fsynced). A line of the log says what is begun
("begin NAME WHAT") and, once the last of these calls has returned, what is known ("known NAME GENERATION APPENDED" or "known NAME gone").
Contents are one of a few large ones, so that they come to be shared, or of the generation's own.
"""

import os
import random
import sys
import time

WORKERS, NAMES = 4, 5
COMMON_BYTES = 150_000
MORE = b"!"


def common(k):
    return bytes([k + 1]) + random.Random(k).randbytes(COMMON_BYTES - 2) + bytes([k + 1])


def own(name, generation):
    head = f"{name} {generation}\n".encode()
    return head + random.Random(generation).randbytes(generation * 7919 % 300_000) + head


def content(name, generation):
    return common(generation % 3) if generation % 2 else own(name, generation)


def sync_directory(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def write_whole(path, data, flags):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view[:65536]):]
    os.fsync(fd)
    os.close(fd)


class Worker:
    def __init__(self, top, logs, number):
        self.directory = f"{top}/{100 + number}"
        self.log = os.open(f"{logs}/{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.dice = random.Random(number * 1000 + os.getpid())
        self.states = {}  # name: (generation, how often appended to), or None
        self.generation = 0

    def say(self, *words):
        os.write(self.log, (" ".join(map(str, words)) + "\n").encode())

    def replace(self, name):
        data = content(name, self.generation)
        temporary = f"{self.directory}/.{name}"
        write_whole(temporary, data, os.O_CREAT | os.O_TRUNC)
        os.rename(temporary, f"{self.directory}/{name}")
        sync_directory(self.directory)
        self.states[name] = (self.generation, 0)

    def append(self, name):
        write_whole(f"{self.directory}/{name}", MORE, os.O_APPEND)
        generation, appended = self.states[name]
        self.states[name] = (generation, appended + 1)

    def remove(self, name):
        os.unlink(f"{self.directory}/{name}")
        sync_directory(self.directory)
        self.states[name] = None

    def step(self):
        name = f"f{self.dice.randrange(NAMES)}"
        what = self.dice.choice((self.replace, self.replace, self.append, self.remove))
        if what != self.replace and self.states.get(name) is None:
            return
        if what == self.replace:
            self.generation += 1
        self.say("begin", name, what.__name__)
        what(name)
        self.say("known", name, *(self.states[name] or ("gone",)))


def load(top, logs, done):
    children = []
    for number in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            worker = Worker(top, logs, number)
            os.makedirs(worker.directory, exist_ok=True)
            while not os.path.exists(done):
                worker.step()
                if worker.dice.random() < 0.1:
                    time.sleep(worker.dice.random())  # files come to be shared
            os._exit(0)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1]]
    sys.exit(f"{len(failed)} workers failed" if failed else 0)


def lines(path):
    """Whole ones."""
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [line.split() for line in f.read().split("\n")[:-1]]


def is_whole(name, data):
    """Some content that was once complete, and more."""
    bare = data.rstrip(MORE)
    for k in range(3):
        if bare == common(k).rstrip(MORE):
            return len(data) >= COMMON_BYTES
    if b"\n" not in data:
        return False
    words = data[:data.index(b"\n")].split()
    if len(words) != 2 or words[0] != name.encode() or not words[1].isdigit():
        return False
    return bare == own(name, int(words[1])).rstrip(MORE)


def wrong_name(path, name, known, begun):
    """What is wrong with it, or None. `begun`: what may have been done to it since it was known to be so."""
    data = None
    if os.path.exists(path):
        with open(path, "rb") as f:
            data = f.read()
    if data is not None and not is_whole(name, data):
        return f"{len(data)} bytes, not whole: {data[:40]!r}"
    if not known or [b for b in begun if b[2] != "append"]:
        return None
    if known[2] == "gone":
        return None if data is None else "is there, was removed for good"
    generation, appended = int(known[2]), int(known[3])
    if data is None:
        return f"is not there; generation {generation} was fsynced"
    least = content(name, generation) + MORE * appended
    if not data.startswith(least) or data[len(least):].strip(MORE):
        return f"{len(data)} bytes, not generation {generation} of {len(least)} bytes that was fsynced"
    return None


def check(top, before, after):
    wrong, names = [], 0
    for number in range(WORKERS):
        old, new = lines(f"{before}/{number}"), lines(f"{after}/{number}")
        for name in {line[1] for line in new}:
            position, known = -1, None
            for i, line in enumerate(old):
                if line[0] == "known" and line[1] == name:
                    position, known = i, line
            begun = [line for line in new[position + 1:] if line[0] == "begin" and line[1] == name]
            path = f"{top}/{100 + number}/{name}"
            complaint = wrong_name(path, name, known, begun)
            names += 1
            if complaint:
                wrong.append(f"{path}: {complaint} (known: {known}, since: {begun[:3]})")
    print(f"checked: {names} names")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    {"load": load, "check": check}[sys.argv[1]](*sys.argv[2:])
