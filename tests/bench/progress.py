# SPDX-License-Identifier: MIT
"""How far the benchmark is and how long it will still take."""

import sys
import time

LINE_EVERY_S = 10  # where there is no terminal


def duration_text(seconds):
    seconds = int(seconds + 0.5)
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02d} s"


class Progress:
    """Knows what each kind of step took last time, and guesses the others by the average."""

    def __init__(self, steps, out=sys.stderr, clock=time.monotonic):
        self.left = {}
        for step in steps:
            self.left[step] = self.left.get(step, 0) + 1
        self.total = len(steps)
        self.took = {}
        self.done = 0
        self.spent = 0.0
        self.out = out
        self.clock = clock
        self.shown = None
        self.began = None

    def seconds_left(self):
        average = self.spent / self.done if self.done else 0.0
        return sum(count * self.took.get(step, average) for step, count in self.left.items())

    def begin(self, step, label):
        self.began = self.clock()
        terminal = self.out.isatty()
        if not terminal and self.shown is not None and self.began - self.shown < LINE_EVERY_S:
            return
        self.shown = self.began
        left = f", {duration_text(self.seconds_left())} left" if self.done else ""
        text = f"bench: {100 * self.done // max(self.total, 1):3d} %{left}: {label}"
        self.out.write(f"\r\033[K{text[:110]}" if terminal else f"{text}\n")
        self.out.flush()

    def end(self, step):
        took = self.clock() - self.began
        self.took[step] = took
        self.spent += took
        self.done += 1
        self.left[step] -= 1

    def finish(self):
        if self.out.isatty():
            self.out.write("\r\033[K")
