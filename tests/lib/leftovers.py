# SPDX-License-Identifier: MIT
"""What a test left behind: processes and mounts. A test is known by the name of its directory."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

MARK = "TEST_OF_BATONFS"  # set to that name in the environment of everything that a test starts
MOUNTED = "left mounted: "
PATIENCE = 10  # seconds until what is ending is gone, on a busy machine


def processes_of(directory):
    """Processes that a test started, also those that put themselves in the background."""
    wanted = f"{MARK}={directory.name}".encode()
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            environ = (proc / "environ").read_bytes().split(b"\0")
            cmdline = (proc / "cmdline").read_bytes()
        except OSError:
            continue
        if int(proc.name) != os.getpid() and (wanted in environ or f"{directory}/".encode() in cmdline):
            found.append(int(proc.name))
    return found


def describe(pids):
    """What processes that should be gone are doing: command line and kernel stacks."""
    text = []
    for pid in pids:
        try:
            cmdline = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            text.append(f"process {pid}: {cmdline}")
            for task in sorted(Path(f"/proc/{pid}/task").iterdir()):
                calls = " < ".join(re.findall(r"\] ([\w.]+)", (task / "stack").read_text())[:6])
                text.append(f"    {(task / 'comm').read_text().strip()}: {calls}")
        except OSError:
            continue
    return "\n".join(text)


def mounts_below(directory):
    with open("/proc/self/mounts") as f:
        return [fields[1] for fields in map(str.split, f) if fields[1].startswith(f"{directory}/")]


def clean_up(directory, expected):
    """Kill and unmount what is left. Returns what should not have been, if an end was expected."""
    deadline = time.monotonic() + (PATIENCE if expected else 0)
    while (pids := processes_of(directory)) and time.monotonic() < deadline:
        time.sleep(0.05)
    mounts = mounts_below(directory)
    problems = []
    if pids and expected:
        problems.append(f"left running: {len(pids)} processes\n{describe(pids)}")
    if mounts and expected:
        problems.append(MOUNTED + " ".join(mounts))
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for mount in reversed(mounts):
        subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
    return problems
