#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The rules of ARCHITECTURE.md that a compiler does not check: who may include whom, unique file names,
licence lines, sizes. Prints each offence as FILE:LINE: what is wrong; exit 1 if there is any.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# A layer may include itself and these. "baton" is include/baton.
MAY_INCLUDE = {
    "util": set(),
    "takeover": {"util"},
    "store": {"util"},
    "ledger": {"util"},
    "seal": {"ledger", "store", "util"},
    "exec": {"seal", "ledger", "store", "util", "baton"},
    "control": {"exec", "seal", "ledger", "store", "takeover", "util", "baton"},
    "fuse": {"control", "exec", "seal", "store", "takeover", "util", "baton"},
    "config": {"store", "util"},
    "http": {"util", "baton"},
    "main": {"fuse", "config", "http", "control", "exec", "seal", "ledger", "store", "takeover", "util", "baton"},
    "tools": {"util", "baton"},
    "baton": set(),
}

# Foreign headers that only these may include.
ONLY_IN = {
    re.compile(r"fuse(3/|_|\.h|$)"): {"fuse"},
    re.compile(r"sqlite3\.h"): {"ledger"},
    re.compile(r"xxhash\.h"): {"seal"},
    re.compile(r"microhttpd\.h"): {"http"},
    re.compile(r"jansson\.h"): {"control", "fuse", "main", "tools"},
}

LINES_MAX = 1000  # of a .c file

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else "main"
    return {"include": "baton", "tools": "tools"}[parts[0]]


def check_includes(path):
    layer = layer_of(path)
    name = str(path.relative_to(ROOT))
    own = f"{layer}/{path.stem}.h" if layer not in ("main", "tools") else f"{path.stem}.h"
    first = True
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        kind, target = found.groups()
        where = f"{name}:{number}"
        if first and path.suffix == ".c" and path.with_suffix(".h").exists() and target != own:
            yield f'{where}: "{own}" must be included first'
        first = False
        if kind == "<":
            for pattern, layers in ONLY_IN.items():
                if pattern.match(target) and layer not in layers:
                    yield f"{where}: <{target}> belongs to {', '.join(sorted(layers))}"
            continue
        folder, _, rest = target.rpartition("/")
        if not folder and layer not in ("main", "tools"):
            yield f'{where}: write "layer/module.h", not "{target}"'
        elif folder and folder not in MAY_INCLUDE:
            yield f'{where}: "{target}" is in no layer'
        elif folder and folder != layer and folder not in MAY_INCLUDE[layer]:
            yield f"{where}: {layer} may not include {folder} ({rest})"


def project_files():
    for top in ("src", "include", "tools", "tests", "systemd"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    yield ROOT / "CMakeLists.txt"


def is_source(path, text):
    return path.suffix in (".c", ".h", ".sh", ".py", ".in", ".js") or text.startswith("#!")


def main():
    offences = []
    by_name = defaultdict(list)
    for path in project_files():
        name = path.relative_to(ROOT)
        by_name[path.name].append(str(name))
        text = path.read_text(errors="replace")
        lines = text.splitlines()
        if is_source(path, text) and not any("SPDX-License-Identifier: MIT" in l for l in lines[:3]):
            offences.append(f"{name}:1: no SPDX line")
        if path.suffix == ".c" and len(lines) > LINES_MAX:
            offences.append(f"{name}:{LINES_MAX}: {len(lines)} lines; split it by concern")
        if path.suffix in (".c", ".h") and name.parts[0] in ("src", "include", "tools"):
            offences += check_includes(path)
    for name, paths in by_name.items():
        if len(paths) > 1:
            offences.append(f"{paths[1]}:1: the name {name} is taken: {paths[0]}")
    print("\n".join(offences))
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
