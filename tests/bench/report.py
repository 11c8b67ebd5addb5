# SPDX-License-Identifier: MIT
"""From results to what a person reads: report.md. Numbers only come from figures.py."""

import figures


def number_text(value, unit):
    """With its unit, three digits that matter."""
    if value is None:
        return "-"
    if unit == "ns":
        for limit, factor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if value < limit:
                return f"{three(value / factor)} {name}"
        return f"{three(value / 1e9)} s"
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit in ("MB/s", "1/s", "KiB"):
        return f"{three(value)} {unit}"
    return three(value)


def three(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(rounds, metric):
    if not rounds:
        return "-"
    values = list(rounds.values())
    text = number_text(figures.median(values), metric.unit)
    return f"{text} ±{50 * figures.spread(values):.0f}%" if len(values) > 1 else text


def table(head, rows):
    """Markdown, its columns aligned for those who read it as it is."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]

    def line(row):
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def workload_table(workload, results, titles):
    """One row per contestant, one column per metric that anybody has."""
    measured = results.get(workload.name, {})
    metrics = [m for m in workload.metrics if any(m.key in values for values in measured.values())]
    if not metrics:
        return ""
    rows = [[titles.get(name, name), *(cell(values.get(m.key), m) for m in metrics)]
            for name, values in measured.items()]
    return f"### {workload.title}  (`{workload.name}`)\n\n" + table(["", *(m.title for m in metrics)], rows) + "\n"
