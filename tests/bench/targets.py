# SPDX-License-Identifier: MIT
"""
What batonfs promises about its speed, as a table, and whether a session's results keep it. All of it is
relative to somebody else in the same session, but for what is a property of the result itself.
"""

import dataclasses

import figures

MET, NOT_MET, UNKNOWN = "met", "not met", "not measured"


@dataclasses.dataclass(frozen=True)
class Target:
    what: str
    workload: str
    metric: str
    ours: str
    theirs: str = ""  # "": the value itself counts
    at_least: float = None  # of how many times as good as theirs; of a share
    at_most: float = None  # of ours divided by theirs; of the value
    theirs_in: str = ""  # their workload, if it is another one
    aim: bool = False  # nice to have


@dataclasses.dataclass(frozen=True)
class Verdict:
    target: Target
    status: str
    value: float = None
    low: float = None
    high: float = None
    unit: str = "×"


PAIRS = (("batonfs", "bare"), ("batonfs-ext4", "bare-ext4"), ("batonfs-xfs", "bare-xfs"))
BARE, BARE_4K, HP_4K = 0.97, 0.6, 10


def beside_bare():
    for ours, theirs in PAIRS:
        for chunk in ("1m", "64k"):
            for kind, where in (("write", "over existing pages"), ("write-new", "to a new file")):
                yield Target(f"write {chunk} {where}", f"{kind}-{chunk}", "mbps", ours, theirs, at_least=BARE)
        yield Target("read", "read", "seq", ours, theirs, at_least=BARE)
        yield Target("mmap scan", "read", "map", ours, theirs, at_least=BARE)
    for ours, theirs in PAIRS:
        for kind, where in (("write", "over existing pages"), ("write-new", "to a new file")):
            yield Target(f"write 4k {where}", f"{kind}-4k", "mbps", ours, theirs, at_least=BARE_4K)
    for kind, where in (("write", "over existing pages"), ("write-new", "to a new file")):
        yield Target(f"write 4k {where}", f"{kind}-4k", "mbps", "batonfs", "hp", at_least=HP_4K)


TARGETS = (
    *beside_bare(),
    Target("mmap scan of 100 MiB, streamed by 64 KiB", "handoff-stream", "first", "batonfs", "tmpfs", at_least=1.3),
    Target("page faults of that scan", "handoff-stream", "faults", "batonfs", "tmpfs", at_most=1 / 32),
    Target("mapped by 2 MiB, 100 ms after the close", "handoff-stream", "pmd", "batonfs", at_least=1),
    Target("100 MiB written whole", "handoff-100m", "write", "batonfs", "tmpfs", at_least=1.8),
    Target("close with sealing behind it, p99", "beside", "close_p99", "batonfs", "batonfs-asked", at_most=1.1),
    Target("hand-off beside sealing", "beside", "total", "batonfs", "batonfs-asked", at_most=1.1),
    Target("the same, three large files being sealed", "beside-large", "total", "batonfs", "batonfs-asked", at_most=1.1),
    Target("first hand-off 300 µs after the close, p50", "first-300us", "ready", "batonfs", "bare", at_most=2.7),
    Target("the same", "first-300us", "ready", "batonfs", "bare", at_most=1.5, aim=True),
    Target("the same, ns", "first-300us", "ready", "batonfs", at_most=10_000, aim=True),
    Target("creates, one client", "names-1", "create", "batonfs", "hp", at_least=2),
    Target("unlinks, one client", "names-1", "unlink", "batonfs", "hp", at_least=2),
    Target("creates, four clients", "names-4", "create", "batonfs", "hp", at_least=2),
    Target("unlinks, four clients", "names-4", "unlink", "batonfs", "hp", at_least=2),
    Target("4 KiB there and back", "roundtrip", "trip", "batonfs", "hp", at_least=2),
    Target("passthrough off: write 1m", "write-1m", "mbps", "batonfs-off", "hp-off", at_least=1.3),
    Target("passthrough off: read, cold", "read", "cold", "batonfs-off", "hp-off", at_least=1.3),
    Target("passthrough off: mmap, warm", "read", "map", "batonfs-off", "hp-off", at_least=1.3),
    Target("passthrough off: mmap, warm", "read", "map", "batonfs-off", "bare", at_least=BARE),
    # FUSE's own page cache has 4 KiB pages, as this tmpfs.
    Target("passthrough off: mmap, warm", "read", "map", "batonfs-off", "tmpfs", at_least=BARE, aim=True),
    Target("100 MiB from Node to Python", "node", "all", "batonfs", "by-value", at_least=200, theirs_in="node-value"),
    Target("memory of the writer, KiB", "handoff-100m", "writer_kib", "batonfs", at_most=1024),
    Target("memory of the reader, KiB", "handoff-100m", "reader_kib", "batonfs", at_most=1024),
)


def metric_of(work, name, key):
    return next((m for w in work if w.name == name for m in w.metrics if m.key == key), None)


def judge(target, work, results):
    """The verdict on one target from {workload: {contestant: {metric: {round: value}}}}."""
    metric = metric_of(work, target.workload, target.metric)
    ours = results.get(target.workload, {}).get(target.ours, {}).get(target.metric)
    theirs = results.get(target.theirs_in or target.workload, {}).get(target.theirs, {}).get(target.metric)
    if not metric or not ours or (target.theirs and not theirs):
        return Verdict(target, UNKNOWN)
    if not target.theirs:
        value = figures.median(list(ours.values()))
        low, high, unit = min(ours.values()), max(ours.values()), metric.unit
    else:
        # "at least so many times as good", or "at most so many times as much".
        better = metric.better if target.at_least is not None else "higher"
        ratio = figures.speedup(ours, theirs, better)
        if not ratio:
            return Verdict(target, UNKNOWN)
        (value, low, high), unit = ratio, "×"
    met = figures.meets(value, target.at_least, target.at_most)
    return Verdict(target, MET if met else NOT_MET, value, low, high, unit)


def judge_all(work, results):
    return [judge(target, work, results) for target in TARGETS]
