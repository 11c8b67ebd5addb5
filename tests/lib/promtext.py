# SPDX-License-Identifier: MIT
"""
Prometheus' text format, read strictly: what its own tools merely warn of is an error here.

parse(TEXT) gives {family: Family}. Checked are the grammar of each line; that each family has HELP and TYPE, once and
before its samples, which stand together; names and their endings by Prometheus' rules; that no sample comes twice;
that values of counters are not negative; and that the buckets of a histogram rise, end in +Inf and agree with _count.
"""

import dataclasses
import math
import re

NAME = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"
LABEL = r'([a-z][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\+Inf)")
TYPES = ("counter", "gauge", "histogram")
# Units that are not base units, and words that belong into the type.
BAD_WORDS = re.compile(r"_(?:ms|us|ns|milliseconds|minutes|hours|kb|mb|gb|kilobytes|megabytes|percent|counter|gauge|histogram)(?:_|$)")


class Bad(Exception):
    pass


@dataclasses.dataclass
class Family:
    name: str
    help: str
    type: str = ""
    samples: dict = dataclasses.field(default_factory=dict)  # (name, ((label, value), ...)): number

    def labels(self):
        return {label for _, labels in self.samples for label, _ in labels if label != "le"}


def check_name(family):
    name, kind = family.name, family.type
    if kind == "counter" and not name.endswith("_total"):
        raise Bad(f"{name}: a counter ends in _total")
    if kind != "counter" and name.endswith("_total"):
        raise Bad(f"{name}: only a counter ends in _total")
    if name.endswith(("_count", "_sum", "_bucket")) or BAD_WORDS.search(name):
        raise Bad(f"{name}: not a good name")
    if name.endswith("_info") and (kind != "gauge" or set(family.samples.values()) != {1}):
        raise Bad(f"{name}: an _info is a gauge that is 1")


def check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        rest = tuple(x for x in labels if x[0] != "le")
        part = name.removeprefix(family.name)
        entry = series.setdefault(rest, {"buckets": []})
        if part == "_bucket":
            le = dict(labels)["le"]
            entry["buckets"].append((math.inf if le == "+Inf" else float(le), value))
        else:
            entry[part] = value
    for labels, entry in series.items():
        buckets = entry["buckets"]
        if [le for le, _ in buckets] != sorted({le for le, _ in buckets}) or buckets[-1][0] != math.inf:
            raise Bad(f"{family.name}{labels}: bounds do not rise to +Inf")
        if [n for _, n in buckets] != sorted(n for _, n in buckets):
            raise Bad(f"{family.name}{labels}: buckets do not add up")
        if buckets[-1][1] != entry["_count"] or "_sum" not in entry:
            raise Bad(f"{family.name}{labels}: _count or _sum is wrong")


def parse_sample(line, family):
    found = SAMPLE.fullmatch(line)
    if not found or not NUMBER.fullmatch(found[found.re.groups]):
        raise Bad(f"no sample: {line}")
    name, number = found[1], found[found.re.groups]
    labels = tuple(re.findall(LABEL, found[2] or ""))
    endings = ("_bucket", "_sum", "_count") if family and family.type == "histogram" else ("",)
    if not family or not family.type or name not in [family.name + e for e in endings]:
        raise Bad(f"a sample without its HELP and TYPE above it: {line}")
    if len({label for label, _ in labels}) != len(labels):
        raise Bad(f"a label twice: {line}")
    key = (name, labels)
    if key in family.samples:
        raise Bad(f"a sample twice: {line}")
    family.samples[key] = float(number)


def parse(text):
    families = {}
    family = None
    if not text.endswith("\n"):
        raise Bad("the last line has no end")
    for line in text[:-1].split("\n"):
        if found := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            if found[1] in families:
                raise Bad(f"{found[1]}: a second HELP")
            family = families[found[1]] = Family(found[1], found[2])
        elif found := re.fullmatch(rf"# TYPE ({NAME}) ({'|'.join(TYPES)})", line):
            if not family or found[1] != family.name or family.type:
                raise Bad(f"{found[1]}: TYPE without HELP before it, or twice")
            family.type = found[2]
        else:
            parse_sample(line, family)
    for family in families.values():
        check_name(family)
        if family.type == "histogram":
            check_histogram(family)
    return families
