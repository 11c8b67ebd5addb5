#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
batonfs beside its peers: started by tools/bench, which installs and builds what it needs.

Everything runs in one session in a mount namespace of its own. Exit status 0 means that it was measured, whatever the numbers are.
"""

import argparse
import fnmatch
import os
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))

import contestants  # noqa: E402
import machine  # noqa: E402
import report  # noqa: E402
import session  # noqa: E402
import workloads  # noqa: E402

IN_NAMESPACE = "BATON_BENCH_NAMESPACE"
DISK_BYTES = 4 << 30
MEMORY_BYTES = 6 << 30
TOUCH_BYTES = 4 << 30


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tools/bench", description="Measure batonfs beside its peers.")
    parser.add_argument("--quick", action="store_true", help="3 to 5 minutes instead of half an hour")
    parser.add_argument("--growth", action="store_true", help=argparse.SUPPRESS)
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
    os.environ["PATH"] += ":/usr/sbin:/sbin"

    names = chosen([w.name for w in work], args.only)
    who = chosen([c.name for c in contestants.CONTESTANTS], args.contestants)
    program = args.program or args.build / "workload"
    started = time.monotonic()
    facts = machine.describe()
    with contestants.Arena(tempfile.mkdtemp(prefix="baton-bench-"), contestants.find_programs(ROOT, args.build),
                           MEMORY_BYTES, DISK_BYTES) as arena:
        if not args.smoke:
            machine.touch_memory(min(TOUCH_BYTES, machine.memory_available_bytes() // 2))
        run = session.Session(arena, program, [w for w in work if w.name in names], args.rounds or mode.rounds, say)
        run.mount_all([c for c in contestants.CONTESTANTS if c.name in who])
        run.run()
    titles = {c.name: c.name for c in contestants.CONTESTANTS}
    for workload in run.workloads:
        print(report.workload_table(workload, run.results, titles))
    say(f"{time.monotonic() - started:.0f} s, steal {', '.join(f'{s:.1f}' for s in run.steal)} %, {facts['kernel']}")


if __name__ == "__main__":
    main()
