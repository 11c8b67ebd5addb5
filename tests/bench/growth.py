# SPDX-License-Identifier: MIT
"""
tools/bench --growth: what becomes of batonfs when there is much of everything. A million files in 10 000
executions, a restart over them, an execution of 100 000 files released beside a hand-off, and crowds of
processes. Each part yields findings: a number, and the bound it should keep.
"""

import dataclasses
import json
import os
import shutil
import signal
import statistics
import subprocess
import time

import contestants
import executors
import figures
import session
import workloads

MIB = workloads.MIB


@dataclasses.dataclass(frozen=True)
class Scale:
    executions: int
    files: int  # of each
    small_executions: int
    crowded: int  # files in one directory
    readers: int
    sample_ns: int
    crowd_ns: int
    rounds: int
    forget_s: float  # how long the kernel may take to forget


FULL = Scale(10_000, 100, 10, 100_000, 50, 2 * 10**9, 10**9, 3, 60)
SMOKE = Scale(20, 10, 2, 100, 5, 10**7, 10**7, 1, 0.5)

FIRST = 1_000_000  # the first execution's ID; smaller ones are other workloads'
CROWDED_ID = 900_000
FORGOTTEN_ID = 900_001
LIMIT_KIB = 250_000


@dataclasses.dataclass(frozen=True)
class Finding:
    what: str
    value: float
    unit: str
    at_least: float = None
    at_most: float = None

    @property
    def met(self):
        """None if nothing is asked of it."""
        if self.at_least is None and self.at_most is None:
            return None
        return figures.meets(self.value, self.at_least, self.at_most)


def crowd_workloads(scale):
    crowd = dict(size=64 * MIB, chunk=64 * workloads.KIB, clients=scale.readers, budget_ns=scale.crowd_ns)
    write, read = workloads.speed("write", "written"), workloads.speed("read", "read")
    who = ("batonfs", "bare", "hp")
    # passthrough_hp keeps a descriptor per file it has seen: it cannot take part where there are many.
    return [
        workloads.Workload("crowd-read", f"one writer and {scale.readers} readers of one file", "crowd-read",
                           (read, write), crowd, only=who),
        workloads.Workload("crowd-write", f"{scale.readers} writers in {scale.readers} executions", "crowd-write",
                           (write,), crowd | dict(size=MIB), only=who),
        workloads.Workload("list", f"a directory of {scale.crowded}", "list", (workloads.rate("list", "entries listed"),),
                           dict(count=scale.crowded), max_rounds=1, only=("batonfs", "bare")),
    ]


def crowd_findings(results):
    """Beside the bare directory."""
    def ratio(workload, metric, who="batonfs"):
        measured = results.get(workload, {})
        found = figures.speedup(measured.get(who, {}).get(metric, {}), measured.get("bare", {}).get(metric, {}), "higher")
        return found[0] if found else 0.0

    return [
        Finding("one writer, many readers: read, of bare", ratio("crowd-read", "read"), "×"),
        Finding("one writer, many readers: written, of bare", ratio("crowd-read", "write"), "×"),
        Finding("many writers in executions of their own, of bare", ratio("crowd-write", "write"), "×"),
        Finding("listing a large directory, of bare", ratio("list", "list"), "×", at_least=0.5),
    ]


class Million:
    """One contestant with few files, then with many."""

    def __init__(self, arena, program, mounted, scale, say):
        self.arena = arena
        self.program = program
        self.mounted = mounted
        self.scale = scale
        self.say = say

    def work(self, name, directory=None, **params):
        workload = workloads.Workload(name, "", name, (), params)
        return executors.execute(self.program, directory or self.mounted.directory, workload)

    def memory_kib(self):
        return self.mounted.memory_kib()[0]

    def sample(self, executions):
        """p50 of each operation, ns, at random among the files of so many executions."""
        series = self.work("sample", first=FIRST, clients=executions, count=self.scale.files, budget_ns=self.scale.sample_ns)
        return {key.removesuffix("_ns"): figures.percentile(values, 50) for key, values in series.items()}

    def fill(self):
        """(p50 with few files, p50 with all: of all, of those few; creates per second)."""
        scale = self.scale
        self.work("populate", first=FIRST, clients=scale.small_executions, count=scale.files)
        few = self.sample(scale.small_executions)
        rest = scale.executions - scale.small_executions
        rate = self.work("populate", first=FIRST + scale.small_executions, clients=rest, count=scale.files)
        return few, self.sample(scale.executions), self.sample(scale.small_executions), rate["create_rate"][0]

    def forget(self):
        """The kernel drops what it knows of the mount; the daemon's memory when it falls no more."""
        end, least = time.monotonic() + self.scale.forget_s, self.memory_kib()
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("2")
        quiet_since = time.monotonic()
        while time.monotonic() < end and time.monotonic() - quiet_since < 3:
            time.sleep(0.1)
            now = self.memory_kib()
            if now < least * 0.99:
                least, quiet_since = now, time.monotonic()
        return self.memory_kib()

    def restart(self, kill):
        """Seconds from the start of a daemon over the full store until a file in it is found."""
        old, name = self.mounted, self.mounted.contestant.name
        if kill:
            old.process.send_signal(signal.SIGKILL)
            old.process.wait()
            subprocess.run(["umount", "-l", old.directory], check=False)
            old.process = None
        else:
            self.arena.stop(old)
        begun = time.monotonic()
        self.mounted = self.arena.mounted[name] = self.arena.start(old.contestant, old.backing_directory)
        os.stat(f"{self.mounted.directory}/{FIRST + self.scale.executions - 1}/file.{self.scale.files - 1}")
        return time.monotonic() - begun


def million(many, bare):
    """Memory, and latency beside few files."""
    say, files = many.say, many.scale.executions * many.scale.files
    say(f"{files} files on the bare directory")
    bare_few, bare_many, bare_used, bare_rate = bare.fill()
    before = many.memory_kib()
    say(f"{files} files on batonfs")
    few, full, used, rate = many.fill()
    yield Finding("creates a second meanwhile", rate, "1/s")
    yield Finding("creates a second meanwhile, bare", bare_rate, "1/s")
    yield Finding("memory of the daemon without files", before, "KiB")
    yield Finding("memory of the daemon with all files", many.memory_kib(), "KiB", at_most=LIMIT_KIB)
    for key in ("open", "create", "stat"):
        yield Finding(f"{key}: with all files, p50", full[key], "ns")
        yield Finding(f"{key}: with all files, of that with few", full[key] / few[key], "×", at_most=1.25)
        yield Finding(f"{key}: the same on the bare directory", bare_many[key] / bare_few[key], "×")
        yield Finding(f"{key}: with all files, but the few are used", used[key] / few[key], "×")
        yield Finding(f"{key}: the same on the bare directory, again", bare_used[key] / bare_few[key], "×")
    say("the kernel forgets")
    yield Finding("memory of the daemon after the kernel forgot", many.forget(), "KiB", at_most=LIMIT_KIB / 4)


def restarts(many, _bare):
    """Start over a full store."""
    many.say("restarts")
    yield Finding("start over a full store", many.restart(kill=False), "s", at_most=1)
    yield Finding("start over a full store after a kill", many.restart(kill=True), "s", at_most=1)


def listed_ns(directory, attributes):
    """How long a listing takes, with attributes or without."""
    begun = time.monotonic_ns()
    with os.scandir(directory) as entries:
        for entry in entries:
            if attributes:
                entry.stat(follow_symlinks=False)
    return time.monotonic_ns() - begun


def forgotten_names(many, bare):
    """A large directory is listed of which the kernel knows nothing."""
    directories = [f"{one.mounted.directory}/{FORGOTTEN_ID}" for one in (many, bare)]
    many.say(f"{many.scale.crowded} names, forgotten and listed")
    for one in (many, bare):
        one.work("populate", first=FORGOTTEN_ID, clients=1, count=many.scale.crowded)
    for attributes, how, at_least in ((False, "", 0.5), (True, ", with attributes", None)):
        many.forget()
        ours, theirs = [listed_ns(directory, attributes) for directory in directories]
        yield Finding(f"listing a large directory that the kernel has forgotten{how}, of bare", theirs / ours, "×",
                      at_least=at_least)
    for directory in directories:
        shutil.rmtree(directory)


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bfree * st.f_frsize


def wait_for(condition, timeout_s):
    """Until it is true, or the time is over."""
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.0003)


def handoffs(many, identity, seconds):
    """A process that hands 1 MiB files over for so long."""
    return subprocess.Popen([many.program, "handoff", f"{many.mounted.directory}/{identity}", f"size={MIB}", "count=60000",
                             "idle_ns=200000", f"budget_ns={int(seconds * 1e9)}"], stdout=subprocess.PIPE, text=True)


def totals(process):
    """[(when, how long)] of its hand-offs, ns."""
    out, _ = process.communicate(timeout=executors.RUN_TIMEOUT_S)
    series = json.loads(out)["series"]
    return list(zip(series["at_ns"], series["total_ns"]))


def release(many, _bare):
    """An execution of many files goes, while somebody else hands files over."""
    root, backing = many.mounted.directory, many.mounted.backing_directory
    seconds = max(many.scale.sample_ns / 1e9, 0.3)
    many.say(f"an execution of {many.scale.crowded} files is released")
    before_bytes = free_bytes(backing)
    many.work("populate", first=CROWDED_ID, clients=1, count=many.scale.crowded, size=4096)
    used = before_bytes - free_bytes(backing)
    time.sleep(seconds / 4)
    alone = [took for _, took in totals(handoffs(many, 7001, seconds))]

    beside = handoffs(many, 7002, 2 * seconds)
    time.sleep(seconds / 4)
    begun = time.monotonic_ns()
    with open(f"{root}/.baton/executions/{CROWDED_ID}/release", "w", encoding="ascii") as file:
        file.write("1")
    answered = time.monotonic_ns()
    wait_for(lambda: not os.path.exists(f"{root}/{CROWDED_ID}/file.0"), 10)
    visible = time.monotonic_ns()
    # What is being handed over meanwhile, and the ledger, also need some.
    wait_for(lambda: free_bytes(backing) > before_bytes - used // 100 - 8 * MIB, 30)
    back = time.monotonic_ns()
    during = [took for when, took in totals(beside) if begun <= when - took and when <= max(back, begun + 50_000_000)]
    yield Finding("release of a large execution: answered after", (answered - begun) / 1e9, "s", at_most=0.005)
    yield Finding("... and a look for one of its files has found none after", (visible - begun) / 1e9, "s", at_most=0.005)
    yield Finding("its space is back after", (back - begun) / 1e9, "s", at_most=2)
    if during:
        yield Finding("hand-offs meanwhile, p50 of that before",
                      statistics.median(during) / statistics.median(alone), "×", at_most=1.2)


# In this order: after a kill the ledger is set right for a while, on the same CPUs and the same tmpfs.
PARTS = {"million": million, "forgotten": forgotten_names, "release": release, "restarts": restarts}
CROWDS = "crowds"


def run(arena, program, scale, say, parts):
    """(findings, the session of the crowds); restarts are over what `million` has made."""
    crowds = session.Session(arena, program, crowd_workloads(scale) if CROWDS in parts else [], scale.rounds, 0.05, say,
                             touch=scale is FULL)
    crowds.mount_all([contestants.BY_NAME[name] for name in ("batonfs", "bare", "hp")])
    crowds.run()
    findings = crowd_findings(crowds.results) if CROWDS in parts else []
    # A directory as the store: it outlives the daemon.
    arena.mount(contestants.Contestant("batonfs-tmpfs", "batonfs, store on a tmpfs", "huge", "batonfs"))
    many, bare = [Million(arena, program, arena.mounted[name], scale, say) for name in ("batonfs-tmpfs", "bare")]
    for name, part in PARTS.items():
        if name in parts:
            findings += part(many, bare)
    return findings, crowds
