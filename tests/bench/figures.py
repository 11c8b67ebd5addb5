# SPDX-License-Identifier: MIT
"""The arithmetic of the benchmark: what a list of numbers comes to. No input, no output."""

import math
import statistics


def percentile(values, percent):
    """The smallest value that at least `percent` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[max(rank, 1) - 1]


def reduce_series(values, how):
    """One number for a workload's run: p50, p99, median, max, sum."""
    if how == "p50":
        return percentile(values, 50)
    if how == "p99":
        return percentile(values, 99)
    return {"median": statistics.median, "max": max, "sum": sum}[how](values)


def median(values):
    return statistics.median(values)


def spread(values):
    """How far the rounds are apart, as a part of their median: (max - min) / median."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def round_ratios(ours, theirs):
    """The ratio in each round; rounds are dicts of round number: value, those without a partner are left out."""
    return [ours[k] / theirs[k] for k in sorted(ours.keys() & theirs.keys()) if theirs[k]]


def speedup(ours, theirs, better):
    """
    How many times as good ours is as theirs, per round, then the median: (median, lowest, highest), or None.
    Rounds are interleaved, so a machine that changes its speed between them does not count.
    """
    ratios = round_ratios(ours, theirs) if better == "higher" else round_ratios(theirs, ours)
    return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None


def meets(value, at_least=None, at_most=None):
    return (at_least is None or value >= at_least) and (at_most is None or value <= at_most)


def margin(value, at_least=None, at_most=None):
    """How far a bound is kept (above 1) or missed (below): 2 is twice as good as it should be."""
    if at_least is not None:
        return value / at_least
    return at_most / value if value else math.inf


def steal_percent(before, after):
    """From two dicts of /proc/stat's cpu line."""
    total = sum(after.values()) - sum(before.values())
    return 100.0 * (after["steal"] - before["steal"]) / total if total > 0 else 0.0


def others_percent(before, after, ticks):
    """Of two (cpu line of /proc/stat, own CPU seconds): what was neither idle, stolen nor our own."""
    spent = {key: after[0][key] - before[0][key] for key in before[0]}
    total = sum(spent.values())
    busy = total - spent["idle"] - spent["iowait"] - spent["steal"] - (after[1] - before[1]) * ticks
    return max(0.0, 100.0 * busy / total) if total > 0 else 0.0
