# SPDX-License-Identifier: MIT
"""
One session: every workload on every contestant, round by round, the contestants one after the other and
in another order each round. Results are
{workload: {contestant: {metric: {round: value}}}}; whatever failed is in `failures`, never left out silently.
"""

import itertools
import time

import contestants
import executors
import figures
import machine
import progress

# How many times the size of a file must be free: its pages, below a daemon and above, and its disk's image.
ROOM = 4
# Of its memory the host gives that much back before each run: the pages of a file of its size, and a copy of them.
TOUCH, TOUCH_MIN, TOUCH_MAX = 2, 64 << 20, 1 << 30
TRIM_BYTES = 64 << 20


class Session:
    def __init__(self, arena, program, workloads, rounds, gap_s, say, touch=True):
        self.arena = arena
        self.program = program
        self.workloads = [w for w in workloads if not executors.missing(w)]
        self.rounds = rounds
        self.gap_s = gap_s
        self.say = say
        self.touch = touch
        self.results = {}
        self.tails = {}  # (workload, contestant, metric, round): the values of its passes so far
        self.failures = []  # (workload, contestant, why)
        self.missing = {executors.missing(w): "not installed" for w in workloads if executors.missing(w)}
        self.memory = {}  # contestant: {"before": KiB, "after": KiB, "most": KiB}
        self.steal = []  # percent, per round
        self.serial = 4711

    def mount_all(self, wanted):
        for contestant in wanted:
            try:
                mounted = self.arena.mount(contestant)
            except (contestants.Missing, OSError) as error:
                self.missing[contestant.name] = str(error)
                self.say(f"without {contestant.name}: {error}")
                continue
            memory = mounted.memory_kib()
            if memory:
                self.memory[contestant.name] = {"before": memory[0]}

    def plan(self):
        """(round, pass, workload, contestant's name) in the order of execution."""
        names = list(self.arena.mounted)
        filesystems = [name for name in names if self.arena.mounted[name].contestant.filesystem]
        for number in range(self.rounds):
            first = number * len(names) // self.rounds
            turned = names[first:] + names[:first]
            for workload in self.workloads:
                if workload.max_rounds and number >= workload.max_rounds:
                    continue
                wanted = [name for name in turned if name in (workload.only or filesystems)]
                for part, name in itertools.product(range(workload.passes), wanted):
                    yield number, part, workload, name

    def holes(self):
        """(workload, contestant, metric) of what should have been measured and has no number."""
        wanted = {(workload, name) for _, _, workload, name in self.plan()}
        return sorted((workload.name, name, metric.key) for workload, name in wanted for metric in workload.metrics
                      if metric.key not in self.results.get(workload.name, {}).get(name, {}))

    def run(self):
        plan = list(self.plan())
        meter = progress.Progress([(w.name, c) for _, _, w, c in plan])
        before, current = machine.cpu_times(), 0
        for number, part, workload, name in plan:
            if number != current:
                now = machine.cpu_times()
                self.steal.append(figures.steal_percent(before, now))
                before, current = now, number
            meter.begin((workload.name, name), f"round {number + 1} of {self.rounds}, {workload.name}, {name}")
            self.one(number, part, workload, name)
            meter.end((workload.name, name))
        self.steal.append(figures.steal_percent(before, machine.cpu_times()))
        meter.finish()
        for name, mounted in self.arena.mounted.items():
            memory = mounted.memory_kib()
            if memory:
                self.memory[name] |= {"after": memory[0], "most": memory[1]}

    def one(self, number, part, workload, name):
        """
        One pass. What is under one key is compared: the passes of a round each by itself; a tail, of which a pass
        has but a few values, over all of them together.
        """
        mounted = self.arena.mounted[name]
        try:
            series = self.execute(workload, mounted)
        except (executors.Failed, OSError, ValueError) as error:
            if (workload.name, name) not in {(w, c) for w, c, _ in self.failures}:
                self.say(f"{workload.name} on {name}: {error}")
            self.failures.append((workload.name, name, str(error)))
            return
        into = self.results.setdefault(workload.name, {}).setdefault(name, {})
        for metric in workload.metrics:
            values, key = series.get(metric.series), number * workload.passes + part
            if values and metric.how == "p99":
                values = self.tails.setdefault((workload.name, name, metric.key, number), [])
                values += series[metric.series]
                key = number
            if values:
                into.setdefault(metric.key, {})[key] = figures.reduce_series(values, metric.how)

    def execute(self, workload, mounted):
        size = workload.params.get("size", 0)
        if size * ROOM > machine.memory_available_bytes():
            raise executors.Failed("too little memory is free")
        if self.touch:
            machine.touch_memory(min(max(size * TOUCH, TOUCH_MIN), TOUCH_MAX))
        self.serial += 1
        # Digits: on batonfs, an execution of its own, which is there without being made.
        series = executors.execute(self.program, f"{mounted.directory}/{self.serial}", workload)
        self.arena.settle(mounted)
        if size >= TRIM_BYTES:
            self.arena.trim(mounted)
        time.sleep(self.gap_s)
        return series
