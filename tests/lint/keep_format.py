#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Whether KEEP_DEFINITIONS in src/takeover/format.h is that of the definitions whose meaning outlives a program. If not:
can a batonfs with the old ones be upgraded to this one? If what it leaves would be misunderstood, raise the number in
KEEP_FORMAT. Then, in any case, `tests/lint/keep_format.py --write`.
"""

import hashlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = ROOT / "src/takeover/format.h"

# What is in the keep, or in the kernel's hands: file, the first words of a definition (a line, or up to one that begins
# with "}"), and, if not all of it counts, what does.
DEFINITIONS = (
    ("src/takeover/keep.h", "enum keep_area {"),
    ("src/takeover/keep.c", "static const size_t sizes["),
    ("src/takeover/keep.c", "struct head {"),
    ("src/takeover/area.h", "struct worker_area {"),
    ("src/takeover/handover.h", "struct handover_reason {"),
    ("src/fuse/mount_id.h", "struct mount_id {"),
    ("src/fuse/connection.c", "struct connection_kept {"),
    ("src/fuse/request.h", "enum request_change_kind {"),
    ("src/fuse/request.h", "struct request_change {"),
    ("src/fuse/request.h", "struct request {"),
    ("src/fuse/request.c", "struct left {"),
    ("src/fuse/request.c", "struct request_area {"),
    ("src/fuse/untold.c", "struct untold_name {"),
    ("src/fuse/untold.c", "struct untold_area {"),
    ("src/fuse/inode.h", "enum inode_flag {"),
    ("src/fuse/inode.h", "struct inode {"),
    ("src/fuse/inode_array.h", "struct inode_array_header {"),
    ("src/fuse/opens.h", "static inline uint64_t fh_of("),
    ("src/fuse/op.h", "#define ACCESSLOG_FH"),
    ("src/store/handle.h", "struct handle {"),
    ("src/exec/rule.h", "enum place {"),
    ("src/exec/rule.h", "#define RULE_ID_MAX"),
    ("src/control/ctltree.h", "enum kind {"),
    ("src/control/attr.c", "static const struct attr attrs[", r'\{ ("\w[\w.]*"),'),
    ("src/control/ctlnode.h", "struct ctlnode_key {"),
    ("src/control/ctlnode.c", "struct kept {"),
    ("src/control/ctlnode.c", "struct header {"),
)

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def definition(path, start, counts=r"(.+)"):
    lines = (ROOT / path).read_text().splitlines()
    first = [i for i, line in enumerate(lines) if line.startswith(start)]
    if len(first) != 1:
        sys.exit(f"{path}:1: {len(first)} definitions `{start}`: see tests/lint/keep_format.py")
    last = first[0] if start[0] == "#" else next(i for i in range(first[0], len(lines)) if lines[i].startswith("}"))
    text = COMMENT.sub(" ", "\n".join(lines[first[0]:last + 1]))
    return " ".join(" ".join(re.findall(counts, text)).split())


def main():
    text = "\n".join(definition(*d) for d in DEFINITIONS)
    now = hashlib.sha256(text.encode()).hexdigest()[:16]
    header = HEADER.read_text()
    said = re.search(r'#define KEEP_DEFINITIONS "(\w+)"', header)
    if said and said[1] == now:
        return 0
    if sys.argv[1:] == ["--write"]:
        HEADER.write_text(header.replace(said[0], f'#define KEEP_DEFINITIONS "{now}"'))
        return 0
    number = header[:said.start()].count("\n") + 1
    print(f"{HEADER.relative_to(ROOT)}:{number}: what outlives a program is defined otherwise than it was: read there "
          f"what to do, and then run tests/lint/keep_format.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
