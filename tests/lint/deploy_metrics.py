#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Dashboard and alert rules speak of metrics that docs/metrics.md lists, with labels that they have, by functions that
suit their type. (That docs/metrics.md lists what is there, tests/mount/metrics.sh checks.) And each of these is asked for
by name by a test that makes it move.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "deploy/prometheus/batonfs.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/batonfs.json"
# Prometheus adds these when it collects.
ADDED = {"instance", "job"}
GROWING = ("rate", "increase", "irate")
# What no mount is made to do in a test's time, with where it is seen to count.
ELSEWHERE = {"batonfs_ledger_waits_total": "tests/unit/test_queue.c"}


def listed():
    found = {}
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `"):
            found[cells[1].strip("`")] = (cells[2], {x.strip() for x in cells[3].split(",")} - {""})
    return found


def check(where, expr, metrics):
    used = list(re.finditer(r"(?:(\w+)\()?\b((?:batonfs|process)_\w+)(?:\{([^}]*)\})?(\[)?", expr))
    if not used:
        yield f"{where}: no metric in: {expr}"
    for found in used:
        function, name, selector, window = found.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        kind, labels = metrics.get(name) or metrics.get(base) or (None, None)
        if kind is None or (name in metrics) == (kind == "histogram"):
            yield f"{where}: {name} is not in docs/metrics.md"
            continue
        grows = kind in ("counter", "histogram")
        if grows != (function in GROWING) and not (function or "").endswith("_over_time") and function != "label_values":
            yield f"{where}: {name} is a {kind}: {expr}"
        if grows and not window:
            yield f"{where}: {name} without a range: {expr}"
        for label in re.findall(r"(\w+)\s*[=!]~?", selector or ""):
            if label not in labels | ADDED:
                yield f"{where}: {name} has no label {label}"
    allowed = {"le"} | ADDED | set().union(*(metrics[re.sub(r"_(bucket|sum|count)$", "", m[2])][1]
                                             if m[2] not in metrics else metrics[m[2]][1] for m in used
                                             if m[2] in metrics or re.sub(r"_(bucket|sum|count)$", "", m[2]) in metrics))
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expr):
        for label in group.split(","):
            if label.strip() not in allowed:
                yield f"{where}: by ({label.strip()}): {expr}"


def rules():
    text = RULES.read_text()
    alerts = re.findall(r"- alert: (\w+)\n\s+expr: (.*)\n", text)
    if not alerts or len(alerts) != text.count("- alert:") or len({name for name, _ in alerts}) != len(alerts):
        yield RULES.name, "unreadable"
    for name, expr in alerts:
        yield f"{RULES.name}: {name}", expr


def panels():
    board = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    if len(set(ids)) != len(ids):
        yield DASHBOARD.name, "an id twice"
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"{DASHBOARD.name}: {panel['title']}", target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"{DASHBOARD.name}: {variable['name']}", variable["query"]


def untested(metrics):
    tests = "".join(path.read_text() for kind in ("mount", "fault") for path in sorted((ROOT / "tests" / kind).glob("*.sh")))
    for name in sorted(metrics):
        if not re.search(rf"\b{name}\b", tests) and not (ROOT / ELSEWHERE.get(name, "none")).exists():
            yield f"docs/metrics.md: {name}: no test of tests/mount asks for it"


def main():
    metrics = listed()
    offences = [o for where, expr in [*rules(), *panels()] for o in check(where, expr, metrics)]
    offences += untested(metrics)
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
        if done.returncode:
            offences.append(done.stdout + done.stderr)
    print("\n".join(offences))
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
