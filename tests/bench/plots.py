# SPDX-License-Identifier: MIT
"""Pictures of a session, drawn by gnuplot as SVG: one file each, readable without the report."""

import shutil
import subprocess
import sys

import figures

COLOURS = {
    "batonfs": "#d1495b", "batonfs-off": "#edae49", "batonfs-ext4": "#8f2d56", "batonfs-xfs": "#b56576",
    "bare": "#30638e", "bare-ext4": "#1b4965", "bare-xfs": "#5fa8d3", "tmpfs": "#8ecae6",
    "hp": "#4f772d", "hp-off": "#90a955", "bindfs": "#7f7f7f", "mergerfs": "#bdbdbd", "by-value": "#222222",
}
IN_MEMORY = ("batonfs", "bare", "tmpfs", "hp", "batonfs-off", "hp-off", "bindfs", "mergerfs")
ALL = (*IN_MEMORY, "batonfs-ext4", "bare-ext4", "batonfs-xfs", "bare-xfs")

# file, title, axis, factor of the numbers, ((workload, metric, label)...), contestants
PLOTS = (
    ("latency.svg", "open, fstat, mmap, first byte: p50, less is better", "µs", 1e-3,
     (("first-300us", "ready", "300 µs after\\na write"), ("first-2ms", "ready", "2 ms after\\na write"),
      ("first-at-once", "ready", "at once after\\na write"), ("reopen-300us", "ready", "again,\\n300 µs apart"),
      ("reopen", "ready", "again,\\nback to back")), IN_MEMORY),
    ("handoff.svg", "first hand-off, from the writer's open to the last byte read: less is better", "ms", 1e-6,
     (("handoff-4k", "total", "4 KiB"), ("handoff-1m", "total", "1 MiB"), ("handoff-100m", "total", "100 MiB"),
      ("handoff-1g", "total", "1 GiB"), ("node", "all", "100 MiB\\nNode to Python"),
      ("node-value", "all", "the same\\nby value")), (*ALL, "by-value")),
    ("write.svg", "write: more is better", "MB/s", 1,
     (("write-4k", "mbps", "4 KiB"), ("write-64k", "mbps", "64 KiB"), ("write-1m", "mbps", "1 MiB"),
      ("write-new-4k", "mbps", "4 KiB,\\nnew file"), ("write-new-64k", "mbps", "64 KiB,\\nnew file"),
      ("write-new-1m", "mbps", "1 MiB,\\nnew file")), ALL),
    ("read.svg", "read: more is better", "MB/s", 1,
     (("read", "seq", "1 MiB"), ("read", "random", "4 KiB\\nat random"), ("read", "map", "mapped"),
      ("read", "map_random", "mapped,\\nat random"), ("read", "cold", "1 MiB, nothing\\ncached above")), ALL),
    ("names.svg", "names: more is better", "per second", 1,
     (("names-1", "create", "create"), ("names-1", "stat", "stat"), ("names-1", "list", "list"),
      ("names-1", "unlink", "unlink"), ("names-4", "create", "create,\\n4 clients"),
      ("names-4", "unlink", "unlink,\\n4 clients")), ALL),
)


def script(path, title, axis, blocks, groups):
    """Bars in groups on a logarithmic axis. `blocks`: (contestant, [value or None per group])."""
    lines = [
        "set terminal svg size 1100,460 dynamic font 'sans-serif,13' background '#ffffff'",
        f"set output '{path}'",
        f'set title "{title}"', f"set ylabel '{axis}'", "set logscale y", "set format y '%g'",
        "set style data histograms", "set style histogram clustered gap 1.2",
        "set style fill solid 0.9 noborder", "set boxwidth 0.92", "set grid ytics lc '#cccccc'",
        "set key outside right top", "set border 3", "set tics nomirror",
        "set bmargin 4",
        "set xtics (" + ", ".join(f"\"{label}\" {i}" for i, label in enumerate(groups)) + ")",
    ]
    for i, (_, values) in enumerate(blocks):
        lines += [f"$data{i} << EOD", *("?" if value is None else f"{value:.6g}" for value in values), "EOD"]
    lines.append("set datafile missing '?'")
    lines.append("plot " + ", ".join(f"$data{i} using 1 title '{name}' lc rgb '{COLOURS[name]}'"
                                     for i, (name, _) in enumerate(blocks)))
    return "\n".join(lines) + "\n"


def value_of(results, workload, name, metric, factor):
    rounds = results.get(workload, {}).get(name, {}).get(metric)
    value = figures.median(list(rounds.values())) * factor if rounds else 0
    return value if value > 0 else None


def gnuplot(name, text):
    """Was it drawn? Why not is said."""
    done = subprocess.run(["gnuplot"], input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        print(f"bench: {name} could not be drawn: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0


def draw(results, directory):
    """Returns [(file name, title)] of what was drawn; nothing without gnuplot."""
    drawn = []
    if not shutil.which("gnuplot"):
        return drawn
    for name, title, axis, factor, groups, who in PLOTS:
        groups = [g for g in groups if g[0] in results]
        blocks = [(c, [value_of(results, w, c, m, factor) for w, m, _ in groups]) for c in who]
        blocks = [(c, values) for c, values in blocks if any(v is not None for v in values)]
        if not blocks:
            continue
        if gnuplot(name, script(directory / name, title, axis, blocks, [label for _, _, label in groups])):
            drawn.append((name, title))
    return drawn


def targets_script(path, rows):
    """Horizontal bars from 1, to the right if a target is met. `rows`: (label, margin), the first on top."""
    top = len(rows)
    tics = ", ".join(f'"{label}" {top - i}' for i, (label, _) in enumerate(rows))
    lines = [
        f"set terminal svg size 1100,{90 + 19 * top} dynamic font 'sans-serif,12' background '#ffffff'",
        f"set output '{path}'", 'set title "targets: to the right of 1 is met"', "set logscale x",
        "set xrange [0.1:10]", f"set yrange [0.3:{top + 0.7}]", f"set ytics ({tics})", "unset key",
        "set xtics (0.1, 0.2, 0.5, 1, 2, 5, 10)", "set grid xtics lc '#cccccc'", "set border 3", "set tics nomirror",
        "set style fill solid 0.9 noborder", "$data << EOD",
        *(f"{min(max(margin, 0.1), 10):.4g} {top - i} {'0x4f772d' if margin >= 1 else '0xd1495b'}"
          for i, (_, margin) in enumerate(rows)),
        "EOD",
        "plot $data using (1):2:(1<$1?1:$1):(1<$1?$1:1):($2-0.35):($2+0.35):3 with boxxyerror lc rgb variable",
    ]
    return "\n".join(lines) + "\n"


def draw_targets(verdicts, directory):
    rows = [(f"{v.target.what}: {v.target.ours}" + (f" / {v.target.theirs}" if v.target.theirs else ""),
             figures.margin(v.value, v.target.at_least, v.target.at_most))
            for v in verdicts if v.value is not None and not v.target.aim]
    if not rows or not shutil.which("gnuplot"):
        return []
    drawn = gnuplot("targets.svg", targets_script(directory / "targets.svg", rows))
    return [("targets.svg", "each target, measured")] if drawn else []
