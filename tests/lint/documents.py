#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Whether each command that a document shows is run by a test (tests/lib/commands.txt says by which), and that test is there
and does so. A row that no command needs any more is an error, too.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/lib"))
import commands  # noqa: E402

# Those that take the commands from the documents.
LITERALLY = {
    "mount/docs": ROOT / "tests/mount/docs.sh",
    "service/unit": ROOT / "tests/service/unit.sh",
    "tools/test-n8n": ROOT / "tests/n8n/n8n_checks.py",
}


def file_of(test):
    found = [p for p in (ROOT / test, *(ROOT / "tests").glob(test + ".*")) if p.is_file()]
    return found[0] if found else None


def wrong_with(claim, command):
    """What is wrong with a claim, or None."""
    if claim.test == "-":
        return None if claim.needle else "the last field must say why no test runs it"
    if claim.test in LITERALLY:
        text = LITERALLY[claim.test].read_text()
        return None if "commands.py" in text or "commands_of" in text else f"{claim.test} does not read the documents"
    path = file_of(claim.test)
    if not path:
        return f"there is no test {claim.test}"
    needle = claim.needle or command.text
    return None if needle in path.read_text() else f"{path.relative_to(ROOT)} does not contain `{needle}`"


def main():
    table = list(commands.claims())
    used, errors = set(), []
    for document in commands.documents():
        for command in commands.commands_of(document):
            claim = commands.claim_of(command, table)
            what = "no test runs it: see tests/lib/commands.txt" if not claim else wrong_with(claim, command)
            used.add(claim)
            if what:
                errors.append(f"{document}:{command.line}: `{command.text}`: {what}")
    for claim in table:
        if claim not in used:
            errors.append(f"tests/lib/commands.txt:{claim.line}: no document shows such a command")
    print("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
