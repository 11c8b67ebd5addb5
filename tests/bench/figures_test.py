#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmark's arithmetic, verdicts, tables and time left: python3 tests/bench/figures_test.py"""

import io
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import figures  # noqa: E402
import plots  # noqa: E402
import progress  # noqa: E402
import report  # noqa: E402
import targets  # noqa: E402
import workloads  # noqa: E402


class Figures(unittest.TestCase):
    def test_percentile_is_a_value_that_was_measured(self):
        values = list(range(1, 101))
        self.assertEqual(figures.percentile(values, 50), 50)
        self.assertEqual(figures.percentile(values, 99), 99)
        self.assertEqual(figures.percentile(values, 100), 100)
        self.assertEqual(figures.percentile([7], 50), 7)
        self.assertEqual(figures.percentile([3, 1, 2], 50), 2)
        self.assertEqual(figures.percentile([3, 1, 2], 0), 1)

    def test_series_are_reduced_as_the_metric_says(self):
        self.assertEqual(figures.reduce_series([1, 9, 2], "p50"), 2)
        self.assertEqual(figures.reduce_series([1, 9, 2], "p99"), 9)
        self.assertEqual(figures.reduce_series([1, 2], "median"), 1.5)
        self.assertEqual(figures.reduce_series([1, 9, 2], "max"), 9)

    def test_spread_is_relative_to_the_median(self):
        self.assertEqual(figures.spread([90, 100, 110]), 0.2)
        self.assertEqual(figures.spread([5]), 0)
        self.assertEqual(figures.spread([0, 0]), 0)

    def test_speedup_pairs_rounds(self):
        # The machine became half as fast in round 1: no matter.
        self.assertEqual(figures.speedup({0: 200, 1: 100}, {0: 100, 1: 50}, "higher"), (2, 2, 2))
        self.assertEqual(figures.speedup({0: 10, 1: 20}, {0: 30, 1: 60}, "lower"), (3, 3, 3))

    def test_speedup_ignores_rounds_without_a_partner(self):
        self.assertEqual(figures.speedup({0: 4, 1: 9}, {0: 2}, "higher"), (2, 2, 2))
        self.assertIsNone(figures.speedup({0: 4}, {1: 2}, "higher"))
        self.assertIsNone(figures.speedup({0: 4}, {0: 0}, "higher"))

    def test_speedup_says_lowest_and_highest(self):
        self.assertEqual(figures.speedup({0: 1, 1: 2, 2: 3}, {0: 1, 1: 1, 2: 1}, "higher"), (2, 1, 3))

    def test_bounds_include_themselves(self):
        self.assertTrue(figures.meets(0.97, at_least=0.97))
        self.assertFalse(figures.meets(0.969, at_least=0.97))
        self.assertTrue(figures.meets(2.7, at_most=2.7))
        self.assertFalse(figures.meets(2.71, at_most=2.7))

    def test_margin_is_above_one_if_the_bound_is_kept(self):
        self.assertEqual(figures.margin(4, at_least=2), 2)
        self.assertEqual(figures.margin(4, at_most=2), 0.5)
        self.assertEqual(figures.margin(0, at_most=2), float("inf"))

    def test_steal_is_a_part_of_all_time(self):
        before = {"user": 10, "idle": 10, "steal": 0}
        self.assertEqual(figures.steal_percent(before, {"user": 50, "idle": 50, "steal": 20}), 20)
        self.assertEqual(figures.steal_percent(before, before), 0)

    def test_others_are_what_is_neither_idle_nor_ours(self):
        before = {"user": 0, "idle": 0, "iowait": 0, "steal": 0}
        after = {"user": 60, "idle": 30, "iowait": 0, "steal": 10}
        self.assertEqual(figures.others_percent((before, 1.0), (after, 1.5), 100), 10)
        self.assertEqual(figures.others_percent((before, 0), (after, 9), 100), 0)


WORK = workloads.all_workloads(workloads.SMOKE)


class Verdicts(unittest.TestCase):
    def judge(self, target, **values):
        results = {}
        for key, rounds in values.items():
            results.setdefault(target.workload, {})[key] = {target.metric: rounds}
        return targets.judge(target, WORK, results)

    def test_at_least_is_how_many_times_as_good(self):
        speed = targets.Target("write", "write-1m", "mbps", "batonfs", "bare", at_least=0.97)
        self.assertEqual(self.judge(speed, batonfs={0: 98}, bare={0: 100}).status, targets.MET)
        self.assertEqual(self.judge(speed, batonfs={0: 96}, bare={0: 100}).status, targets.NOT_MET)
        time = targets.Target("trip", "roundtrip", "trip", "batonfs", "hp", at_least=2)
        self.assertEqual(self.judge(time, batonfs={0: 10}, hp={0: 20}).value, 2)
        self.assertEqual(self.judge(time, batonfs={0: 20}, hp={0: 20}).status, targets.NOT_MET)

    def test_at_most_is_how_many_times_as_much(self):
        time = targets.Target("first", "first-300us", "ready", "batonfs", "bare", at_most=2.7)
        self.assertEqual(self.judge(time, batonfs={0: 27}, bare={0: 10}).status, targets.MET)
        self.assertEqual(self.judge(time, batonfs={0: 28}, bare={0: 10}).status, targets.NOT_MET)

    def test_a_value_of_its_own_needs_nobody_else(self):
        share = targets.Target("mapped", "handoff-stream", "pmd", "batonfs", at_least=1)
        self.assertEqual(self.judge(share, batonfs={0: 1.0}).status, targets.MET)
        self.assertEqual(self.judge(share, batonfs={0: 0.99}).status, targets.NOT_MET)

    def test_what_is_missing_is_not_met_nor_not_met(self):
        speed = targets.Target("write", "write-1m", "mbps", "batonfs", "bare", at_least=0.97)
        self.assertEqual(self.judge(speed, batonfs={0: 1}).status, targets.UNKNOWN)
        self.assertEqual(self.judge(speed, bare={0: 1}).status, targets.UNKNOWN)

    def test_every_target_names_a_metric_and_contestants_that_are_measured(self):
        names = {w.name: w for w in WORK}
        for target in targets.TARGETS:
            self.assertIsNotNone(targets.metric_of(WORK, target.workload, target.metric), target)
            for workload, name in ((target.workload, target.ours), (target.theirs_in or target.workload, target.theirs)):
                only = names[workload].only
                self.assertTrue(not only or not name or name in only, target)


class Text(unittest.TestCase):
    def test_numbers_carry_units_and_three_digits(self):
        self.assertEqual(report.number_text(870, "ns"), "870 ns")
        self.assertEqual(report.number_text(15_230, "ns"), "15.2 µs")
        self.assertEqual(report.number_text(2_000_000, "ns"), "2 ms")
        self.assertEqual(report.number_text(3.8e9, "ns"), "3.80 s")
        self.assertEqual(report.number_text(12_014.4, "MB/s"), "12 014 MB/s")
        self.assertEqual(report.number_text(0.5, "share"), "50 %")
        self.assertEqual(report.number_text(1.437, "×"), "1.44 ×")

    def test_a_cell_has_median_spread_and_p99(self):
        metric = workloads.LATENCY[0]
        values = {"ready": {0: 9000, 1: 10000, 2: 11000}, "ready_p99": {0: 50000, 1: 60000, 2: 70000}}
        self.assertEqual(report.cell(values, metric), "10 µs ±10% (60 µs)")
        self.assertEqual(report.cell({}, metric), "-")

    def test_a_table_is_aligned(self):
        lines = report.table(["", "one"], [["a", "1"], ["bcd", "22"]]).splitlines()
        self.assertEqual(len(set(map(len, lines))), 1)
        self.assertTrue(lines[1].endswith(":|"))

    def test_plots_skip_what_was_not_measured(self):
        results = {"read": {"bare": {"seq": {0: 5.0, 1: 7.0, 2: 6.0}}}}
        self.assertEqual(plots.value_of(results, "read", "bare", "seq", 2), 12)
        self.assertIsNone(plots.value_of(results, "read", "hp", "seq", 1))
        self.assertIn("?", plots.script("x.svg", "t", "y", [("bare", [12, None])], ["a", "b"]))

    def test_every_plotted_number_is_measured(self):
        for _, _, _, _, groups, who in plots.PLOTS:
            for workload, metric, _ in groups:
                self.assertIsNotNone(targets.metric_of(WORK, workload, metric), (workload, metric))
            self.assertLessEqual(set(who), set(plots.COLOURS))


class TimeLeft(unittest.TestCase):
    def test_known_steps_count_as_they_took_and_others_as_the_average(self):
        now = [0.0]
        meter = progress.Progress(["a", "b", "a", "b"], io.StringIO(), lambda: now[0])
        for step, took in (("a", 2), ("b", 4)):
            meter.begin(step, step)
            now[0] += took
            meter.end(step)
            if step == "a":
                self.assertEqual(meter.seconds_left(), 2 + 2 * 2)
        self.assertEqual(meter.seconds_left(), 2 + 4)

    def test_duration(self):
        self.assertEqual(progress.duration_text(7.6), "8 s")
        self.assertEqual(progress.duration_text(125), "2 min 05 s")


if __name__ == "__main__":
    unittest.main()
