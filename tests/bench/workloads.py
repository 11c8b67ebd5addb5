# SPDX-License-Identifier: MIT
"""
What is measured: which workload of the program `workload` runs with which parameters, and which numbers
are taken from it. One table; the report, the plots and the targets are made from it.
"""

import dataclasses

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
US, MS = 1_000, 1_000_000


@dataclasses.dataclass(frozen=True)
class Metric:
    key: str  # in the results
    series: str  # of the program
    how: str  # see figures.reduce_series
    unit: str  # ns, MB/s, 1/s, KiB, "" (a count) or share
    better: str = "lower"
    title: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Workload:
    name: str
    title: str
    program: str  # workload's first argument, or an executor
    metrics: tuple
    params: dict = dataclasses.field(default_factory=dict)
    max_rounds: int = 0  # 0: all of them
    passes: int = 1  # in a round, each of them by one contestant after the other
    only: tuple = ()  # contestants; () is all


@dataclasses.dataclass(frozen=True)
class Mode:
    """How long everything takes."""
    name: str
    rounds: int
    budget_ns: int  # of one run of one workload
    samples: int
    names: int  # per client
    file_bytes: int  # of writes and reads
    big_bytes: int  # the hand-offs called 100 MiB
    biggest_bytes: int  # and 1 GiB
    fio_bytes: int
    node_bytes: int
    settle_ns: int = 100 * MS  # between the close of a big file and its hand-off
    gap_s: float = 0.02  # between two runs: background work of the one before is done, and the daemons sleep
    fio_only: tuple = ()  # contestants
    heavy_rounds: int = 1  # of what takes seconds
    passes: int = 1  # of what is compared to a tenth


FULL = Mode("full", 7, 300 * MS, 300, 4000, 256 * MIB, 100 * MIB, GIB, 128 * MIB, 100 * MIB, heavy_rounds=3, passes=4)
QUICK = Mode("quick", 3, 120 * MS, 120, 1200, 64 * MIB, 100 * MIB, GIB, 32 * MIB, 100 * MIB, passes=8)
SMOKE = Mode("smoke", 1, 5 * MS, 3, 10, MIB, 2 * MIB, 4 * MIB, MIB, 100 * KIB,
             settle_ns=MS, gap_s=0, fio_only=("batonfs", "bare"))


def timed(key, series, title):
    return (Metric(key, series, "p50", "ns", "lower", title),
            Metric(f"{key}_p99", series, "p99", "ns", "lower", f"{title}, p99"))


def rate(key, title):
    return Metric(key, f"{key}_rate", "median", "1/s", "higher", title)


def speed(key, title):
    return Metric(key, f"{key}_mbps", "median", "MB/s", "higher", title)


LATENCY = (
    *timed("ready", "ready_ns", "open, fstat, mmap, first byte"),
    *timed("open", "open_ns", "open"),
    *timed("fstat", "fstat_ns", "fstat"),
    *timed("mmap", "mmap_ns", "mmap"),
    *timed("byte", "byte_ns", "first byte"),
    *timed("cycle", "cycle_ns", "all of it, with munmap and close"),
)

HANDOFF = (
    Metric("total", "total_ns", "p50", "ns", "lower", "first hand-off"),
    Metric("write", "write_ns", "p50", "ns", "lower", "open, write, close"),
    Metric("first", "first_ns", "p50", "ns", "lower", "open, map, all pages"),
    Metric("again", "again_ns", "p50", "ns", "lower", "the same repeated"),
    Metric("faults", "faults", "median", "", "lower", "page faults"),
    Metric("pmd", "pmd_share", "median", "share", "higher", "mapped by 2 MiB"),
    Metric("writer_kib", "writer_kib", "max", "KiB", "lower", "the writer's memory grew by"),
    Metric("reader_kib", "reader_kib", "max", "KiB", "lower", "the reader's memory grew by"),
)

NAMES = (rate("create", "creates"), rate("stat", "stats"), rate("list", "entries listed"), rate("unlink", "unlinks"))


def size_name(size):
    for unit, suffix in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {suffix}"
    return f"{size} B"


def size_key(size):
    return size_name(size).replace(" ", "").replace("iB", "").lower()


def latency(name, title, pause_ns, mode, **more):
    params = dict(size=MIB, pause_ns=pause_ns, idle_ns=MS, count=mode.samples, budget_ns=2 * mode.budget_ns) | more
    return Workload(name, title, "latency", LATENCY, params)


def handoffs(mode):
    for size in (4 * KIB, MIB):
        yield Workload(f"handoff-{size_key(size)}", f"hand-off of {size_name(size)}", "handoff", HANDOFF,
                       dict(size=size, count=mode.samples, budget_ns=mode.budget_ns, idle_ns=200 * US))
    yield Workload("handoff-100m", "hand-off of 100 MiB written whole", "handoff", HANDOFF,
                   dict(size=mode.big_bytes, count=3, budget_ns=3 * mode.budget_ns))
    # 1 MiB at a time: a buffer of its size would be measured, too.
    yield Workload("handoff-1g", "hand-off of 1 GiB", "handoff", HANDOFF,
                   dict(size=mode.biggest_bytes, chunk=MIB, count=1, budget_ns=mode.budget_ns), max_rounds=mode.heavy_rounds)
    yield Workload("handoff-stream", "hand-off of 100 MiB streamed as 64 KiB, taken 100 ms after the close",
                   "handoff", HANDOFF,
                   dict(size=mode.big_bytes, chunk=64 * KIB, pause_ns=mode.settle_ns, count=1, budget_ns=mode.budget_ns))


def besides(mode):
    metrics = (*timed("close", "close_ns", "the writer's close"), *timed("total", "total_ns", "hand-off"))
    who = ("batonfs", "batonfs-asked")
    common = dict(size=MIB, count=60_000, budget_ns=2 * mode.budget_ns)
    yield Workload("beside", "hand-offs of 1 MiB back to back, those before being sealed", "beside", metrics, common,
                   only=who, passes=mode.passes)
    yield Workload("beside-large", f"the same just after the close of three of {size_name(mode.big_bytes)}", "beside",
                   metrics, common | dict(clients=3, beside=mode.big_bytes, chunk=min(MIB, mode.big_bytes)), only=who, passes=mode.passes)


def latencies(mode):
    yield latency("first-300us", "first hand-off 300 µs after a new file's close", 300 * US, mode)
    yield latency("first-2ms", "first hand-off 2 ms after a new file's close", 2 * MS, mode)
    yield latency("first-at-once", "first hand-off at once after a new file's close", 0, mode)
    yield latency("rewritten-300us", "hand-off 300 µs after the close of a file written once more", 300 * US, mode, again=1)
    for name, title, pause_ns in (("reopen-300us", "taken again every 300 µs", 300 * US),
                                  ("reopen", "taken again back to back", 0)):
        yield Workload(name, title, "reopen", LATENCY,
                       dict(size=MIB, pause_ns=pause_ns, count=mode.samples * (1 if pause_ns else 10),
                            budget_ns=mode.budget_ns))


def writes(mode):
    for chunk in (4 * KIB, 64 * KIB, MIB):
        size = max(mode.file_bytes // (4 if chunk < 64 * KIB else 1), chunk)
        common = dict(size=size, chunk=chunk, budget_ns=mode.budget_ns)
        yield Workload(f"write-{size_key(chunk)}", f"write {size_name(chunk)} over existing pages", "write-over",
                       (Metric("mbps", "mbps", "median", "MB/s", "higher", "write"),), common)
        yield Workload(f"write-new-{size_key(chunk)}", f"write {size_name(chunk)} to a new file", "write-new",
                       (Metric("mbps", "mbps", "median", "MB/s", "higher", "write"),
                        Metric("file", "file_mbps", "median", "MB/s", "higher", "with create and close")), common)


def reads(mode):
    yield Workload("read", f"read a file of {size_name(mode.file_bytes)}", "read",
                   (speed("seq", "read, 1 MiB"), speed("random", "read, 4 KiB at random"), speed("map", "mmap, all of it"),
                    speed("map_random", "mmap, 4 KiB at random"),
                    Metric("faults", "faults", "median", "", "lower", "page faults of a scan"),
                    Metric("pmd", "pmd_share", "median", "share", "higher", "mapped by 2 MiB"),
                    speed("cold", "read, 1 MiB, nothing cached by the mount")),
                   dict(size=mode.file_bytes, chunk=min(2 * MIB, mode.file_bytes), budget_ns=2 * mode.budget_ns))


def names(mode):
    yield Workload("names-1", "names, one client", "names", NAMES, dict(count=mode.names, clients=1))
    yield Workload("names-4", "names, four clients", "names", NAMES, dict(count=mode.names // 2, clients=4))
    yield Workload("roundtrip", "4 KiB there and back between two processes", "roundtrip",
                   (*timed("trip", "trip_ns", "there and back"), *timed("alone", "alone_ns", "one process does both")),
                   dict(size=4 * KIB, count=4 * mode.samples, budget_ns=mode.budget_ns))


def programs(mode):
    fio = (speed("fio_write", "random writes of 64 KiB"), speed("fio_verify", "read and verified"))
    for engine in ("psync", "mmap"):
        yield Workload(f"fio-{engine}", f"fio, {engine}, verified", "fio", fio,
                       dict(size=mode.fio_bytes, engine=engine), max_rounds=mode.heavy_rounds, only=mode.fio_only)
    node = (Metric("all", "all_ns", "p50", "ns", "lower", "until Python has all of it"),
            Metric("ready", "ready_ns", "p50", "ns", "lower", "until its first byte"),
            Metric("sent", "sent_bytes", "p50", "B", "lower", "sent over the socket"),
            Metric("sender", "sender_kib", "max", "KiB", "lower", "Node's memory grew by"),
            Metric("receiver", "receiver_kib", "max", "KiB", "lower", "Python's, without the file's pages"))
    size = size_name(mode.node_bytes)
    yield Workload("node", f"{size} from Node to Python by path", "node", node,
                   dict(size=mode.node_bytes, by_value=0), max_rounds=mode.heavy_rounds, only=("batonfs", "bare", "tmpfs", "hp"))
    yield Workload("node-value", f"{size} from Node to Python by value: base64 in JSON over a loopback socket", "node",
                   node, dict(size=mode.node_bytes, by_value=1), max_rounds=mode.heavy_rounds, only=("by-value",))


def all_workloads(mode):
    return [*latencies(mode), *handoffs(mode), *besides(mode), *writes(mode), *reads(mode), *names(mode), *programs(mode)]
