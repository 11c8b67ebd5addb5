# SPDX-License-Identifier: MIT
"""
Who is measured: filesystems that are really mounted, each with the directory that its workloads use.

All of them are mounted at once below one scratch directory, in the mount namespace of the benchmark. A
daemon and the bare directory it is compared with are on the same kind of filesystem; those on a disk
filesystem share it. The disks are loop devices whose images are in memory, so that no disk of the host
decides.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

MOUNT_TIMEOUT_S = 20

# Of the memory store, too: what batonfs serves is then compared with what lies below it.
HUGE_TMPFS = "huge=within_size,inode64"


class Missing(Exception):
    """This contestant cannot be had here; the text says why."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str
    title: str
    backing: str  # kind of filesystem below it, see Arena.backing()
    daemon: str = ""  # batonfs, hp, bindfs, mergerfs; "" for a bare directory
    options: tuple = ()
    filesystem: bool = True  # runs whatever workload does not name its contestants


CONTESTANTS = (
    Contestant("batonfs", "batonfs, memory store", "memory", "batonfs"),
    Contestant("bare", "bare tmpfs, huge=within_size", "huge"),
    Contestant("tmpfs", "plain tmpfs, 4 KiB pages", "tmpfs"),
    Contestant("hp", "passthrough_hp over tmpfs", "huge", "hp"),
    Contestant("batonfs-off", "batonfs, memory store, passthrough=off", "memory", "batonfs", ("passthrough=off",)),
    Contestant("hp-off", "passthrough_hp --nopassthrough over tmpfs", "huge", "hp", ("--nopassthrough",)),
    Contestant("bindfs", "bindfs over tmpfs", "huge", "bindfs"),
    Contestant("mergerfs", "mergerfs over tmpfs", "huge", "mergerfs"),
    Contestant("batonfs-ext4", "batonfs, store on ext4", "ext4", "batonfs"),
    Contestant("bare-ext4", "bare ext4", "ext4"),
    Contestant("batonfs-xfs", "batonfs, store on XFS", "xfs", "batonfs"),
    Contestant("bare-xfs", "bare XFS", "xfs"),
    # What is done behind a close, left out.
    Contestant("batonfs-asked", "batonfs, memory store, hash=asked", "memory", "batonfs", ("hash=asked",),
               filesystem=False),
    # Its directory only holds what is sent.
    Contestant("by-value", "no file: base64 in JSON over a socket", "tmpfs", filesystem=False),
)
BY_NAME = {c.name: c for c in CONTESTANTS}


def run(*command):
    """Run to its end; Missing with the last line it said if that is not a success."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Missing(f"{command[0]}: {error.strerror}") from None
    if done.returncode:
        said = done.stdout.strip().splitlines()
        raise Missing(f"{Path(str(command[0])).name}: {said[-1] if said else f'exit {done.returncode}'}")


def is_mounted(path):
    """A FUSE mount answers, or there is none: stat() of a dead one would fail."""
    return os.path.ismount(path)


class Mounted:
    """One contestant at work: `directory` is where its files go, `pid` its daemon's process, or None."""

    def __init__(self, contestant, directory, process=None, backing_directory=None):
        self.contestant = contestant
        self.directory = directory
        self.process = process
        self.backing_directory = backing_directory

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def processes(self):
        """Of the daemon: batonfs's worker is a child of its guardian."""
        found = [self.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
            found.extend(int(child) for child in children.split())
        return found

    def memory_kib(self):
        """
        (now, at most) memory of the daemon; None without one. What its processes share counts once now; the most is that
        of the largest of them, since nothing tells what all of them had at a time.
        """
        if not self.process or self.process.poll() is not None:
            return None
        pids = self.processes()
        return sum(proc_kib(pid, "smaps_rollup", "Pss") for pid in pids), max(
            proc_kib(pid, "status", "VmHWM") for pid in pids)


def proc_kib(pid, name, key):
    for line in Path(f"/proc/{pid}/{name}").read_text(encoding="ascii").splitlines():
        found, _, value = line.partition(":")
        if found == key:
            return int(value.split()[0])
    raise ValueError(f"/proc/{pid}/{name}: no {key}")


class Arena:
    """Everything that is mounted; `with Arena(...)` takes it all down at the end, whatever happened."""

    def __init__(self, base, programs, memory_bytes, disk_bytes):
        self.base = Path(base)
        self.programs = programs  # name: path
        self.memory_bytes = memory_bytes
        self.disk_bytes = disk_bytes
        self.mounted = {}
        self.mounts = []  # in order
        self.disks = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for mounted in self.mounted.values():
            if mounted.process:
                self.stop(mounted)
        for path in reversed(self.mounts):
            subprocess.run(["umount", path], stderr=subprocess.DEVNULL, check=False)
            if is_mounted(path):
                subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.base, ignore_errors=True)

    def make(self, *parts):
        path = self.base.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def mount_tmpfs(self, name, options):
        path = self.make(name)
        run("mount", "-t", "tmpfs", "-o", f"mode=755,size={self.memory_bytes},{options}", "baton-bench", path)
        self.mounts.append(path)
        return path

    def disk(self, kind):
        """A disk filesystem on a loop device, made when first asked for."""
        if kind not in self.disks:
            if "images" not in self.disks:
                self.disks["images"] = self.mount_tmpfs("images", "huge=never")
            image, path = self.disks["images"] / f"{kind}.img", self.make(kind)
            with open(image, "wb") as file:
                file.truncate(self.disk_bytes)
            run(f"mkfs.{kind}", "-q", image)
            run("mount", "-o", "loop", image, path)
            self.mounts.append(path)
            self.disks[kind] = path
        return self.disks[kind]

    def backing(self, contestant):
        """The directory below a contestant (or the bare one itself); a batonfs source for "memory"."""
        if contestant.backing == "memory":
            return f"memory:{self.memory_bytes}"
        if contestant.backing == "huge":
            return self.mount_tmpfs(f"{contestant.name}.store", HUGE_TMPFS)
        if contestant.backing == "tmpfs":
            return self.mount_tmpfs(f"{contestant.name}.store", "huge=never,inode64")
        path = self.disk(contestant.backing) / contestant.name
        path.mkdir(mode=0o700)
        return path

    def command(self, contestant, source, target):
        options = list(contestant.options)
        if contestant.daemon == "batonfs":
            extra = ["-o", ",".join(options)] if options else []
            return [self.programs["batonfs"], "-f", source, target, *extra]
        if contestant.daemon == "hp":
            return [self.programs["hp"], "--foreground", *options, source, target]
        if contestant.daemon == "bindfs":
            return [self.programs["bindfs"], "-f", "--multithreaded", source, target]
        # As its manual advises for programs that map files.
        return [self.programs["mergerfs"], "-f", "-o", "cache.files=auto-full,category.create=mfs", source, target]

    def mount(self, contestant):
        """Start it; returns what it is then known by. Raises Missing."""
        if contestant.daemon and not self.programs.get(contestant.daemon):
            raise Missing(f"{contestant.daemon} is not installed")
        source = self.backing(contestant)
        if not contestant.daemon:
            mounted = Mounted(contestant, source, backing_directory=source)
        else:
            mounted = self.start(contestant, source)
        self.mounted[contestant.name] = mounted
        return mounted

    def start(self, contestant, source):
        target = self.make(f"{contestant.name}.mnt")
        log_path = self.base / f"{contestant.name}.log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen([str(word) for word in self.command(contestant, source, target)],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.mounts.append(target)
        end = time.monotonic() + MOUNT_TIMEOUT_S
        while not is_mounted(target):
            if process.poll() is not None or time.monotonic() > end:
                process.kill()
                process.wait()
                said = log_path.read_text(errors="replace").strip().splitlines()
                raise Missing(f"{contestant.daemon} did not mount: {said[-1] if said else 'no word'}")
            time.sleep(0.01)
        backing = None if str(source).startswith("memory") else source
        return Mounted(contestant, target, process, backing)

    def stop(self, mounted):
        subprocess.run(["umount", mounted.directory], stderr=subprocess.DEVNULL, check=False)
        try:
            mounted.process.wait(MOUNT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            mounted.process.send_signal(signal.SIGKILL)
            mounted.process.wait()
        mounted.process = None

    def settle(self, mounted):
        """After a workload: what a disk filesystem still has to write is no later one's burden."""
        if mounted.contestant.backing in self.disks:
            path = self.disks[mounted.contestant.backing]
            subprocess.run(["sync", "-f", path], check=False)

    def trim(self, mounted):
        """Give the memory of a disk's deleted files back."""
        if mounted.contestant.backing in self.disks:
            subprocess.run(["fstrim", self.disks[mounted.contestant.backing]], stderr=subprocess.DEVNULL,
                           check=False)


def find_programs(root, build):
    """Path of each daemon, or None."""
    hp = root / "build" / "libfuse" / "bin" / "passthrough_hp"
    return {
        "batonfs": build / "batonfs",
        "hp": hp if hp.exists() else None,
        "bindfs": shutil.which("bindfs"),
        "mergerfs": shutil.which("mergerfs"),
    }
