# SPDX-License-Identifier: MIT
"""The filesystems that the directory stores of the tests are on."""

import subprocess
import threading


class Unavailable(Exception):
    """This machine cannot make such a store."""


class Stores:
    """Mounted below `base` when first asked for. Any thread may ask."""

    def __init__(self, base):
        self.base = base
        self.ready = {}
        self.lock = threading.Lock()

    def make(self, kind, name):
        if kind == "memory":
            return "memory:2G"
        with self.lock:
            if kind not in self.ready:
                self.ready[kind] = self.mount(kind)
        if self.ready[kind]:
            raise Unavailable(self.ready[kind])
        path = self.base / kind / name
        path.mkdir(mode=0o700)
        return str(path)

    def mount(self, kind):
        """Returns "", or why it cannot be had."""
        target, image = self.base / kind, self.base / f"{kind}.img"
        target.mkdir()
        if kind == "tmpfs":
            commands = [["mount", "-t", "tmpfs", "-o", "inode64,size=2G", "batonfs-test", target]]
        else:
            with open(image, "wb") as f:
                f.truncate(2 << 30)
            commands = [[f"mkfs.{kind}", "-q", image], ["mount", "-o", "loop", image, target]]
        for command in commands:
            try:
                done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            except OSError as e:
                return f"{command[0]}: {e.strerror}"
            if done.returncode:
                return f"no {kind} here: {done.stderr.strip()}"
        return ""

    def done(self):
        for kind in self.ready:
            subprocess.run(["umount", "-l", self.base / kind], stderr=subprocess.DEVNULL)
