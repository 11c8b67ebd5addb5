#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The commands that documents show, and the test that runs each.

    commands.py TEST DOCUMENT     those of a document that a test runs literally, one a line

What a document shows as a command: a line of code (in Markdown indented by four, in a manual between .Bd -literal and .Ed,
elsewhere behind "#" and five blanks) that begins with "$ " or with a program's name, with the lines that belong to it. What
is explained behind it is cut off: from "#" on, or in a table from two blanks on.

tests/lib/commands.txt has who runs them; tests/lint/documents.py that all of this is true.
"""

import dataclasses
import fnmatch
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TABLE = ROOT / "tests/lib/commands.txt"

DOCUMENTS = ("README.md", "docs/*.md", "man/*.[18]", "deploy/**/*", "packaging/*.conf", "systemd/*")

PROGRAM = re.compile(r"(sudo |set -a|export |for |if |while |[.\w]*/)?[\w./+-]*")
PROGRAMS = set("""
    baton batonfs build/baton build/batonfs mount umount findmnt fusermount3 systemctl systemd-escape journalctl
    cmake cpack ninja apt apt-get dpkg tools/quickstart tools/test tools/bench tools/test-n8n tools/test-containers tools/fuzz
    docker kubectl helm n8n npm node python3 curl promtool
    cat echo head tail cp mv mkdir rm chmod chown ln ls dd truncate cmp timeout kill find rsync grep
    getfattr setfattr sysctl modprobe set export printf script xxhsum""".split())


@dataclasses.dataclass(frozen=True)
class Command:
    document: str
    line: int
    text: str  # without "$ ", "sudo " and what is explained


def code_lines(document):
    """Number and text of each line of code."""
    suffix = Path(document).suffix
    inside = False
    for number, line in enumerate((ROOT / document).read_text().splitlines(), 1):
        if suffix == ".md":
            if line.startswith("    "):
                yield number, line[4:]
        elif re.fullmatch(r"\.\d", suffix):
            if line.startswith(".Bd -literal"):
                inside = True
            elif line.startswith(".Ed"):
                inside = False
            elif inside:
                yield number, line.replace(r"\e", "\\")
        elif line.startswith("#     "):
            yield number, line[6:]


def is_command(line):
    words = line.removeprefix("$ ").removeprefix("sudo ").split()
    return line.startswith("$ ") or bool(words) and words[0].rstrip(";") in PROGRAMS


def without_words(line):
    """What is explained behind a command goes."""
    text = line.removeprefix("$ ").removeprefix("sudo ")
    return text if line.startswith("$ ") else re.split(r"\s+#\s|(?<=\S)\s{2,}(?=\S)", text)[0].rstrip()


def commands_of(document):
    lines = list(code_lines(document))
    found = []
    i = 0
    while i < len(lines):
        number, line = lines[i]
        i += 1
        if not is_command(line):
            continue
        text = without_words(line)
        here = re.search(r"<<'?(\w+)'?$", text)
        while i < len(lines) and (text.endswith(("\\", "|")) or here and text.splitlines()[-1] != here[1]):
            text = text.removesuffix("\\") + ("\n" if here else " ") + lines[i][1].strip()
            i += 1
        found.append(Command(document, number, text))
    return found


def documents():
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file():
                yield str(path.relative_to(ROOT))


@dataclasses.dataclass(frozen=True)
class Claim:
    line: int
    document: str
    pattern: str  # of the command, as in fnmatch(3)
    test: str
    needle: str  # what is to be found in the test; "": the command itself

    def has(self, command):
        return fnmatch.fnmatchcase(command.document, self.document) and fnmatch.fnmatchcase(command.text, self.pattern)


def claims():
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            fields = [f.strip() for f in re.split(r" \| ", line)]
            yield Claim(number, *(fields + [""] * (4 - len(fields))))


def claim_of(command, table):
    """The first that has it, or None."""
    return next((c for c in table if c.has(command)), None)


def main():
    test, document = sys.argv[1:]
    table = list(claims())
    for command in commands_of(document):
        claim = claim_of(command, table)
        if claim and claim.test == test:
            print(command.text.replace("\n", r"\n"))


if __name__ == "__main__":
    main()
