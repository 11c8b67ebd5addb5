# SPDX-License-Identifier: MIT
"""From a session to what a person reads (report.md) and a program reads (report.json)."""

import figures
import progress
import targets

METHOD = """\
- All contestants are mounted at once. Each round runs every workload on each of them, one after the other, in
  another order each time, a few of them several times; nothing else runs meanwhile that was started here, and no process is bound to a CPU.
- A number is the median of the rounds; ±x % is half of the distance between the lowest and the highest round.
  A ratio is taken within each round (and time), then the median of these; in brackets, the lowest and the highest.
- Times are percentiles within a round (p50, p99 in brackets; a p99 is that of all times of a round). MB/s are 10^6 bytes a second; KiB are 1024.
- Writer and reader are two processes. First rounds that warm up are not counted.
- The bare directory of the memory store is a tmpfs with the same huge=within_size; passthrough_hp, bindfs and
  mergerfs are on such a tmpfs, too. The disks are loop devices whose images are in memory. batonfs has its
  ledger and its TTL as it has them by default."""


# What a machine may do beside a measurement and still be called idle; kernel threads write for the disks.
OTHERS_PERCENT, STEAL_PERCENT = 12, 2


def three(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    if value >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def number_text(value, unit):
    """With its unit, three digits that matter."""
    if unit == "ns":
        for limit, factor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if value < limit:
                return f"{three(value / factor)} {name}"
        return f"{three(value / 1e9)} s"
    if unit == "s":
        return number_text(value * 1e9, "ns")
    if unit == "share":
        return f"{100 * value:.0f} %"
    return f"{three(value)} {unit}".strip() if unit != "×" else f"{value:.3g} ×"


def cell(values, metric):
    """One metric of one contestant; its p99, if it has one, in brackets."""
    rounds = list(values.get(metric.key, {}).values())
    if not rounds:
        return "-"
    text = number_text(figures.median(rounds), metric.unit)
    if len(rounds) > 1 and metric.unit not in ("", "share", "KiB", "B"):
        text += f" ±{50 * figures.spread(rounds):.0f}%"
    tail = list(values.get(f"{metric.key}_p99", {}).values())
    return f"{text} ({number_text(figures.median(tail), metric.unit)})" if tail else text


def table(head, rows):
    """Markdown, its columns aligned for those who read it as it is."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]

    def line(row):
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])


def workload_table(workload, results, order):
    """One row per contestant, one column per metric that anybody has; "" if nobody has any."""
    measured = results.get(workload.name, {})
    metrics = [m for m in workload.metrics
               if not m.key.endswith("_p99") and any(m.key in values for values in measured.values())]
    if not metrics:
        return ""
    rows = [[name, *(cell(measured[name], m) for m in metrics)] for name in order if name in measured]
    return f"### {workload.title}\n\n`{workload.name}`\n\n" + table(["", *(m.title for m in metrics)], rows) + "\n"


def bound_text(target):
    if target.at_most == 1 / 32:
        return "at most 1/32 ×"
    unit = " ×" if target.theirs else ""
    if target.at_least is not None:
        return f"at least {target.at_least:g}{unit}"
    return f"at most {target.at_most:g}{unit}"


def verdict_row(verdict):
    target = verdict.target
    value = "-"
    if verdict.value is not None:
        value = number_text(verdict.value, verdict.unit)
        if verdict.low != verdict.high:
            value += f" ({number_text(verdict.low, verdict.unit)} to {number_text(verdict.high, verdict.unit)})"
    bound = ("aim: " if target.aim else "") + bound_text(target)
    return [target.what, f"{target.ours} / {target.theirs}" if target.theirs else target.ours, value, bound,
            f"**{verdict.status}**" if verdict.status == targets.NOT_MET and not target.aim else verdict.status]


def targets_table(verdicts):
    return table(["what", "who", "measured", "target", "verdict"], [verdict_row(v) for v in verdicts])


def count_text(verdicts):
    counted = [v for v in verdicts if not v.target.aim]
    return ", ".join(f"{sum(v.status == status for v in counted)} {status}"
                     for status in (targets.MET, targets.NOT_MET, targets.UNKNOWN))


def machine_lines(facts):
    kind = "virtual CPUs" if facts["virtual"] else "CPUs"
    load = ", ".join(f"{value:.2f}" for value in facts["load_before"])
    steal = ", ".join(f"{value:.1f}" for value in facts["steal_percent"])
    lines = [
        f"- {facts['cpus']} {kind} {facts['cpu']}, {facts['memory_bytes'] / 2**30:.0f} GiB; Linux {facts['kernel']}, "
        f"{facts['system']}",
        f"- batonfs {facts['revision']}; {facts['date']}; {facts['mode']}, {facts['rounds']} rounds, "
        f"{progress.duration_text(facts['seconds'])}",
        f"- load before: {load}; of all CPU time the host took away {steal} % (by round), other programs and "
        f"kernel threads {facts['others_percent']:.0f} %",
    ]
    if facts["others_percent"] > OTHERS_PERCENT or max(facts["steal_percent"], default=0) > STEAL_PERCENT:
        lines.append("- **This machine was not idle: look at the spread before the medians.**")
    return "\n".join(lines)


def memory_table(memory):
    rows = [[name, *(number_text(values[key], "KiB") if key in values else "-" for key in ("before", "after", "most"))]
            for name, values in memory.items()]
    return table(["daemon", "mounted", "at the end", "at most"], rows)


def absent_lines(session):
    lines = [f"- without {name}: {why}" for name, why in session.missing.items()]
    seen = set()
    for workload, name, why in session.failures:
        if (workload, name) not in seen:
            seen.add((workload, name))
            lines.append(f"- {workload} on {name}: {why}")
    return "\n".join(lines)


def markdown(session, facts, verdicts, titles, plots):
    order = list(titles)
    parts = ["# batonfs beside its peers", machine_lines(facts), "## Targets", f"{count_text(verdicts)}.",
             targets_table(verdicts)]
    if plots:
        parts += ["## At a glance", "\n\n".join(f"![{title}]({name})" for name, title in plots)]
    parts += ["## Who", "\n".join(f"- `{name}`: {title}" for name, title in titles.items())]
    absent = absent_lines(session)
    if absent:
        parts += ["Not measured:", absent]
    parts += ["## Numbers", METHOD]
    parts += [text for text in (workload_table(w, session.results, order) for w in session.workloads) if text]
    if session.memory:
        parts += ["### Memory of the daemons (resident)", memory_table(session.memory)]
    return "\n\n".join(parts) + "\n"


def as_json(session, facts, verdicts):
    measured = {}
    for workload in session.workloads:
        for metric in workload.metrics:
            for name, values in session.results.get(workload.name, {}).items():
                rounds = values.get(metric.key)
                if not rounds:
                    continue
                measured.setdefault(workload.name, {}).setdefault(name, {})[metric.key] = {
                    "unit": metric.unit, "better": metric.better, "median": figures.median(list(rounds.values())),
                    "spread": figures.spread(list(rounds.values())), "rounds": rounds}
    return {
        "machine": facts,
        "targets": [{"what": v.target.what, "ours": v.target.ours, "theirs": v.target.theirs or None,
                     "at_least": v.target.at_least, "at_most": v.target.at_most, "aim": v.target.aim,
                     "measured": v.value, "low": v.low, "high": v.high, "unit": v.unit, "status": v.status}
                    for v in verdicts],
        "results": measured,
        "memory_kib": session.memory,
        "missing": session.missing,
        "failures": [{"workload": w, "contestant": c, "why": why} for w, c, why in session.failures],
    }


def growth_markdown(findings, crowds, facts):
    """What growth.py found; findings that nothing is asked of are there to compare with."""
    rows = []
    for finding in findings:
        bound = "" if finding.met is None else \
            f"at least {number_text(finding.at_least, finding.unit)}" if finding.at_least is not None else \
            f"at most {number_text(finding.at_most, finding.unit)}"
        verdict = {None: "", True: targets.MET, False: f"**{targets.NOT_MET}**"}[finding.met]
        rows.append([finding.what, number_text(finding.value, finding.unit), bound, verdict])
    parts = ["# batonfs with much of everything", machine_lines(facts),
             table(["what", "measured", "target", "verdict"], rows)]
    parts += [text for text in (workload_table(w, crowds.results, list(crowds.arena.mounted)) for w in crowds.workloads)
              if text]
    return "\n\n".join(parts) + "\n"
