#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
batonfs in a container and its consumers in others, run by crun as Compose and Kubernetes have them run: a mount namespace
each, the daemon's with the propagation, capabilities and arguments of deploy/compose/batonfs-in-container.yml. Started by
tools/test-containers, with the root filesystem in $ROOTFS and the programs in $BUILD, in a mount namespace of its own.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
ROOTFS, BUILD = Path(os.environ["ROOTFS"]), Path(os.environ["BUILD"])
ENTRYPOINT = json.loads(re.search(r"^ENTRYPOINT (.*)$", (ROOT / "deploy/Dockerfile").read_text(), re.M).group(1))
COMPOSE = yaml.safe_load((ROOT / "deploy/compose/batonfs-in-container.yml").read_text())


# By number, as in linux/capability.h.
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT
SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP""".split()


def ours(names):
    """Those that this machine has not taken from root."""
    bounding = next(int(line.split()[1], 16) for line in Path("/proc/self/status").read_text().splitlines()
                    if line.startswith("CapBnd:"))
    return [name for name in names if bounding >> CAPABILITIES.index(name) & 1]


class Failure(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Container:
    def __init__(self, work, name, args, uid=0, capabilities=(), mounts=(), fuse=False):
        self.name, self.bundle = f"batonfs-test-{os.getpid()}-{name}", work / name
        self.bundle.mkdir()
        subprocess.run(["crun", "spec"], cwd=self.bundle, check=True)
        spec = json.loads((self.bundle / "config.json").read_text())
        spec["root"] = {"path": str(ROOTFS), "readonly": True}
        process = spec["process"]
        process |= {"terminal": False, "args": list(args), "cwd": "/", "noNewPrivileges": True,
                    "user": {"uid": uid, "gid": uid}, "rlimits": []}
        names = [f"CAP_{c}" for c in ours(capabilities)]
        process["capabilities"] = {kind: names for kind in ("bounding", "effective", "permitted")}
        spec["mounts"] += [{"destination": target, "type": "bind", "source": str(source), "options": ["rbind", *options]}
                           for target, source, options in mounts]
        if fuse:
            spec["mounts"].append({"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]})
        # As Docker and the kubelet do when a volume asks for propagation.
        shared = any("rshared" in options for _, _, options in mounts)
        spec["linux"]["rootfsPropagation"] = "shared" if shared else "rslave"
        spec["linux"].pop("seccomp", None)
        if fuse:
            device = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0}
            spec["linux"]["devices"] = [device]
            spec["linux"]["resources"]["devices"] += [{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}]
        (self.bundle / "config.json").write_text(json.dumps(spec))

    def start(self):
        self.log = open(self.bundle / "log", "ab")
        self.process = subprocess.Popen(["crun", "--cgroup-manager=disabled", "run", "-b", self.bundle, self.name],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        wait_until(20, f"{self.name} runs: {(self.bundle / 'log').read_text()}", self.runs)
        return self

    def runs(self):
        expect(self.process.poll() is None, f"{self.name} has ended: {(self.bundle / 'log').read_text()}")
        done = subprocess.run(["crun", "state", self.name], capture_output=True, text=True)
        return done.returncode == 0 and json.loads(done.stdout)["status"] == "running"

    def sh(self, script):
        """(exit code, what it printed)"""
        done = subprocess.run(["crun", "exec", self.name, "sh", "-c", script], capture_output=True, text=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).strip()

    def ok(self, script):
        code, text = self.sh(script)
        expect(code == 0, f"{self.name}: {script}: {code} {text}")
        return text

    def stop(self, signal="TERM", seconds=30):
        if self.process.poll() is None:
            subprocess.run(["crun", "kill", self.name, signal], check=True)
            self.process.wait(seconds)
        subprocess.run(["crun", "delete", "-f", self.name], capture_output=True)
        return self.process.returncode


class World:
    def __init__(self, work, source):
        self.work = work
        self.data, self.store = work / "data", work / "store"
        self.programs = work / "programs"
        for folder in (self.data, self.store, self.programs):
            folder.mkdir(parents=True)
        for name in ("batonfs", "baton"):
            self.install(name)
        service = COMPOSE["services"]["batonfs"]
        arguments = [source if a == "/store" else a for a in service["command"]]
        tools = ("/opt", self.programs, ["ro"])
        self.daemon_arguments = dict(
            args=[*("/opt/batonfs" if a == "batonfs" else a for a in ENTRYPOINT), *arguments], capabilities=service["cap_add"], fuse=True,
            mounts=[("/data", self.data, ["rshared"]), ("/store", self.store, []), tools])
        consumer = dict(args=["sleep", "infinity"], uid=1000, mounts=[("/data", self.data, ["rslave"]), tools])
        self.broker = Container(work, "broker", **consumer)
        self.runner = Container(work, "runner", **consumer)
        self.daemon, self.starts = None, 0

    def install(self, name):
        """Under a new inode, as a package does."""
        new = self.programs / f"{name}.new"
        new.write_bytes((BUILD / name).read_bytes())
        new.chmod(0o755)
        new.rename(self.programs / name)

    def status(self):
        return json.loads(self.daemon.ok("cat /data/tmp/.baton/status.json"))

    def start_daemon(self):
        self.starts += 1
        self.daemon = Container(self.work, f"daemon{self.starts}", **self.daemon_arguments).start()
        wait_until(30, f"the mount answers: {(self.daemon.bundle / 'log').read_text()}",
                   lambda: self.daemon.sh("/opt/baton -m /data/tmp status")[0] == 0)

    def expect_metrics(self):
        """As Prometheus would see them, from the daemon's network."""
        state = json.loads(subprocess.run(["crun", "state", self.daemon.name], capture_output=True, text=True, check=True).stdout)
        script = "import urllib.request as u; print([u.urlopen('http://127.0.0.1:9464/' + p).read().decode() for p in ('healthz', 'metrics')])"
        done = subprocess.run(["nsenter", "-t", str(state["pid"]), "-n", "--", "python3", "-c", script], capture_output=True, text=True)
        expect(done.stdout.startswith("['ok\\n', ") and "batonfs_build_info" in done.stdout, f"metrics: {done.stdout[:200]} {done.stderr}")

    def hand_over(self, execution):
        """From the broker to the runner, and back through the same name."""
        self.broker.ok(f"head -c 5000000 /dev/urandom >/data/tmp/{execution}/input.bin")
        there = self.broker.ok(f"md5sum </data/tmp/{execution}/input.bin")
        expect(self.runner.ok(f"md5sum </data/tmp/{execution}/input.bin") == there, "other bytes")
        expect(execution in self.runner.ok("/opt/baton -m /data/tmp ls"), "not listed")

    def reader(self, execution):
        """The runner opens a file, and reads it when it is given a line."""
        script = f"exec 3</data/tmp/{execution}/input.bin; echo open >&2; read -r line; cat <&3 | wc -c"
        process = subprocess.Popen(["crun", "exec", self.runner.name, "sh", "-c", script], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        expect(process.stderr.readline() == "open\n", "the runner cannot open it")
        return process

    def expect_unmounted(self):
        for who, mounts in (("the host", Path("/proc/self/mounts").read_text()),
                            ("the broker", self.broker.ok("cat /proc/mounts")), ("the runner", self.runner.ok("cat /proc/mounts"))):
            expect("fuse.batonfs" not in mounts, f"still mounted in {who}: {mounts}")

    def stop(self):
        for container in (self.daemon, self.broker, self.runner):
            if container and hasattr(container, "process"):
                container.stop("KILL")
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if str(self.work) in line and "fuse.batonfs" in line:
                subprocess.run(["umount", "-l", line.split()[1]])


def scenario(world, source):
    world.broker.start()
    world.runner.start()
    world.expect_unmounted()
    world.start_daemon()
    world.hand_over("4711")
    said = world.status()
    expect(said["passthrough"], f"no passthrough: {said['passthrough_why']}")
    world.expect_metrics()
    print(f"PASS  {source}: consumers that were there before the daemon hand over, passthrough; metrics over HTTP")

    # The process that serves is killed, and the program is replaced, below what a consumer has open.
    reader = world.reader("4711")
    world.daemon.ok(f"kill -9 {world.status()['worker']}")
    world.hand_over("4714")
    world.install("batonfs")
    world.daemon.ok("/opt/baton -m /data/tmp upgrade")
    world.hand_over("4715")
    said = world.status()
    expect((said["takeovers"], said["upgrades"]) == (1, 1), f"{said}")
    expect(reader.communicate("\n", timeout=30)[0].strip() == "5000000", "an open file was lost")
    print(f"PASS  {source}: worker killed, program upgraded in place; who had a file open read on, consumers noticed nothing")

    # kill -9, and what the orchestrator does then.
    world.daemon.stop("KILL")
    world.start_daemon()
    world.hand_over("4712")
    kept = world.broker.sh("test -e /data/tmp/4711/input.bin")[0] == 0
    expect(kept == (source == "/store"), f"after a kill, kept: {kept}")
    print(f"PASS  {source}: daemon killed and started again; the consumers see the new mount, nothing hangs")

    # An upgrade is an orderly stop, with a file open in a consumer, and a start.
    reader = world.reader("4712")
    started = time.monotonic()
    code = world.daemon.stop("TERM")
    expect(code == 0, f"SIGTERM: exit {code}: {(world.daemon.bundle / 'log').read_text()}")
    took = time.monotonic() - started
    world.expect_unmounted()
    expect(reader.communicate("\n", timeout=30)[0].strip() == "5000000", "an open file was lost in an orderly stop")
    world.start_daemon()
    world.hand_over("4713")
    print(f"PASS  {source}: stopped in order ({took:.1f} s) and started again; who had a file open read on")

    code = world.daemon.stop("TERM")
    expect(code == 0, f"SIGTERM: exit {code}")
    world.expect_unmounted()
    code, _ = world.broker.sh("ls /data/tmp")
    expect(code == 0, "the mountpoint is no directory any more")
    print(f"PASS  {source}: stopped; nothing is left mounted, nothing hangs")


def main():
    failed = 0
    for source in ("/store", "memory:256M"):
        work = Path(tempfile.mkdtemp(prefix="batonfs-containers-", dir=os.environ["WORK"]))
        work.chmod(0o755)
        world = World(work, source)
        try:
            scenario(world, source)
        except (Failure, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL  {source}: {error}")
            for log in sorted(work.glob("daemon*/log")):
                print(f"--- {log.parent.name}\n{log.read_text()}")
        finally:
            world.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
