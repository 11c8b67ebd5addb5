#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
batonfs beside its peers: started by tools/bench, which installs and builds what it needs.

Everything runs in one session in a mount namespace of its own. Writes report.md, report.json and plots to
build/bench/. Exit status 0 means that it was measured, whatever the numbers are.
"""

import argparse
import contextlib
import dataclasses
import fnmatch
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))

import contestants  # noqa: E402
import growth  # noqa: E402
import machine  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import session  # noqa: E402
import targets  # noqa: E402
import workloads  # noqa: E402

IN_NAMESPACE = "BATON_BENCH_NAMESPACE"
DISK_BYTES = 4 << 30
MEMORY_BYTES = 6 << 30
TOUCH_BYTES = 4 << 30
FILES_MAX = 1 << 20  # as batonfs's unit has it; passthrough_hp needs one for each file that it knows


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measure batonfs beside its peers.")
    parser.add_argument("--quick", action="store_true", help="3 to 5 minutes instead of half an hour")
    parser.add_argument("--growth", action="store_true",
                        help="instead: a million files, a restart over them, crowds of readers and writers")
    parser.add_argument("--list", action="store_true", help="name workloads and contestants, measure nothing")
    # For whoever works on batonfs: one thing in seconds.
    parser.add_argument("--only", metavar="WORKLOAD,...", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--contestants", metavar="NAME,...", action="append", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help=argparse.SUPPRESS)
    parser.add_argument("--program", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def chosen(names, patterns):
    if not patterns:
        return list(names)
    words = [word for pattern in patterns for word in pattern.split(",")]
    unknown = [word for word in words if not fnmatch.filter(names, word)]
    if unknown:
        sys.exit(f"tools/bench: unknown: {', '.join(unknown)}; --list names them")
    return [name for name in names if any(fnmatch.fnmatch(name, word) for word in words)]


def revision():
    unknown = "(unknown revision)"
    if not shutil.which("git"):
        return unknown
    done = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() or unknown


def write_report(run, facts, titles, output):
    """report.md, report.json and the plots; returns the verdicts."""
    output.mkdir(parents=True, exist_ok=True)
    verdicts = targets.judge_all(run.workloads, run.results)
    drawn = plots.draw_targets(verdicts, output) + plots.draw(run.results, output)
    text = report.markdown(run, facts, verdicts, titles, drawn)
    (output / "report.md").write_text(text, encoding="utf-8")
    (output / "report.json").write_text(json.dumps(report.as_json(run, facts, verdicts), indent=1), encoding="utf-8")
    return verdicts


class Measurement:
    """The arena to measure in, and the facts about the machine before and after it."""

    def __init__(self, args, mode_name, rounds):
        self.facts = machine.describe() | {"date": time.strftime("%Y-%m-%d %H:%M %Z"), "revision": revision(),
                                           "mode": mode_name, "rounds": rounds}
        self.started, self.before = time.monotonic(), machine.usage()
        self.arena = contestants.Arena(tempfile.mkdtemp(prefix="baton-bench-"),
                                       contestants.find_programs(ROOT, args.build), MEMORY_BYTES, DISK_BYTES)
        self.program = args.program or args.build / "workload"
        if not args.smoke:
            say("touching memory")
            machine.touch_memory(min(TOUCH_BYTES, machine.memory_available_bytes() // 2))

    def finish(self, steal):
        self.facts |= {"steal_percent": steal, "seconds": time.monotonic() - self.started,
                       "others_percent": machine.others_percent(self.before)}
        return self.facts


def grow(args):
    scale = growth.SMOKE if args.smoke else growth.FULL
    measurement = Measurement(args, "growth", scale.rounds)
    with measurement.arena as arena:
        findings, crowds = growth.run(arena, measurement.program, scale, say,
                                      chosen([growth.CROWDS, *growth.PARTS], args.only))
    facts = measurement.finish(crowds.steal)
    args.output.mkdir(parents=True, exist_ok=True)
    text = report.growth_markdown(findings, crowds, facts)
    (args.output / "growth.md").write_text(text, encoding="utf-8")
    (args.output / "growth.json").write_text(json.dumps(
        {"machine": facts, "findings": [dataclasses.asdict(f) | {"met": f.met} for f in findings]}, indent=1),
        encoding="utf-8")
    print(text)
    if args.smoke and crowds.holes():
        sys.exit("no number: " + "; ".join(" ".join(hole) for hole in crowds.holes()))


def measure(args, mode, work, who):
    measurement = Measurement(args, mode.name, args.rounds or mode.rounds)
    with measurement.arena as arena:
        run = session.Session(arena, measurement.program, work, measurement.facts["rounds"], mode.gap_s, say,
                              touch=not args.smoke)
        run.mount_all(who)
        run.run()
    return run, measurement.finish(run.steal)


def main():
    args = parse(sys.argv[1:])
    mode = workloads.SMOKE if args.smoke else workloads.QUICK if args.quick or args.only else workloads.FULL
    work = workloads.all_workloads(mode)
    if args.list:
        print("\n".join(f"{w.name:20} {w.title}" for w in work), end="\n\n")
        print("\n".join(f"{c.name:20} {c.title}" for c in contestants.CONTESTANTS))
        return
    if os.geteuid() != 0:
        sys.exit("tools/bench: run as root: it mounts filesystems")
    if not os.environ.get(IN_NAMESPACE):
        os.environ[IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # everything is unmounted on the way out
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    if args.growth:
        grow(args)
        return

    names = chosen([w.name for w in work], args.only)
    who = chosen([c.name for c in contestants.CONTESTANTS], args.contestants)
    run, facts = measure(args, mode, [w for w in work if w.name in names],
                         [c for c in contestants.CONTESTANTS if c.name in who])
    titles = {c.name: c.title for c in contestants.CONTESTANTS if c.name in who}
    verdicts = write_report(run, facts, titles, args.output)
    if args.only:
        print("\n".join(report.workload_table(w, run.results, list(titles)) for w in run.workloads))
        verdicts = [v for v in verdicts if v.status != targets.UNKNOWN]
    print(report.machine_lines(facts))
    if verdicts:
        print(f"\n{report.targets_table(verdicts)}\n\n{report.count_text(verdicts)}")
    if args.smoke and (run.holes() or not run.results):
        sys.exit("no number: " + "; ".join(" ".join(hole) for hole in run.holes()))
    print(f"\nAll numbers: {args.output}/report.md")


if __name__ == "__main__":
    main()
