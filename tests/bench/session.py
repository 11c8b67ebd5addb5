# SPDX-License-Identifier: MIT
"""
One session: every workload on every contestant, round by round, the contestants one after the other and
in another order each round. Results are
{workload: {contestant: {metric: {round: value}}}}; whatever failed is in `failures`, never left out silently.
"""

import json
import subprocess
import time

import contestants
import figures
import machine
import progress

RUN_TIMEOUT_S = 300
# Between two runs: background work of the one before is done, and the daemons are asleep.
GAP_S = 0.02


class Failed(Exception):
    pass


class Session:
    def __init__(self, arena, program, workloads, rounds, say):
        self.arena = arena
        self.program = program
        self.workloads = workloads
        self.rounds = rounds
        self.say = say
        self.results = {}
        self.failures = []  # (workload, contestant, why)
        self.missing = {}  # contestant: why
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
        """(round, workload, contestant's name) in the order of execution."""
        names = list(self.arena.mounted)
        for number in range(self.rounds):
            turned = names[number % len(names):] + names[:number % len(names)] if names else []
            for workload in self.workloads:
                if workload.heavy and number and self.rounds <= 3:
                    continue
                for name in turned:
                    yield number, workload, name

    def run(self):
        plan = list(self.plan())
        meter = progress.Progress([(w.name, c) for _, w, c in plan])
        before, current = machine.cpu_times(), 0
        for number, workload, name in plan:
            if number != current:
                now = machine.cpu_times()
                self.steal.append(figures.steal_percent(before, now))
                before, current = now, number
            meter.begin((workload.name, name), f"round {number + 1} of {self.rounds}, {workload.name}, {name}")
            self.one(number, workload, name)
            meter.end((workload.name, name))
        self.steal.append(figures.steal_percent(before, machine.cpu_times()))
        meter.finish()
        for name, mounted in self.arena.mounted.items():
            memory = mounted.memory_kib()
            if memory:
                self.memory[name] |= {"after": memory[0], "most": memory[1]}

    def one(self, number, workload, name):
        mounted = self.arena.mounted[name]
        try:
            series = self.execute(workload, mounted)
        except (Failed, OSError, ValueError) as error:
            if (workload.name, name) not in {(w, c) for w, c, _ in self.failures}:
                self.say(f"{workload.name} on {name}: {error}")
            self.failures.append((workload.name, name, str(error)))
            return
        into = self.results.setdefault(workload.name, {}).setdefault(name, {})
        for metric in workload.metrics:
            if series.get(metric.series):
                into.setdefault(metric.key, {})[number] = figures.reduce_series(series[metric.series], metric.how)

    def execute(self, workload, mounted):
        self.serial += 1
        # Digits: on batonfs, an execution of its own, which is there without being made.
        directory = f"{mounted.directory}/{self.serial}"
        command = [self.program, workload.program, directory]
        command += [f"{key}={value}" for key, value in workload.params.items()]
        try:
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=RUN_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"not done after {RUN_TIMEOUT_S} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise Failed(said[-1] if said else f"exit {done.returncode}")
        self.arena.settle(mounted)
        if workload.params.get("size", 0) >= 64 << 20:
            self.arena.trim(mounted)
        time.sleep(GAP_S)
        return json.loads(done.stdout)["series"]
