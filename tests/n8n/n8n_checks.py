#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
What tools/test-n8n does when node, n8n and batonfs are there: each check against one running n8n, whose main process
and runner are uid 1000, as in n8n's images.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from datetime import datetime
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import commands  # noqa: E402
import workflows as w  # noqa: E402
from harness import BROKER_UID, DISTROLESS_UID, Failure, Mount, N8n, QueuedN8n, expect, wait_until  # noqa: E402

MB = 1_000_000
RELEASE_MS = 100  # from an execution's end until its files are gone, at most


class World:
    """`plain` is mounted as people do who read no manual, `shared` for brokers and runners of different users."""

    def __init__(self, work, cache, kind):
        self.work = work
        self.plain = Mount(work / "plain", "memory:5G", "ttl=30s", work / "batonfs.log")
        self.shared = Mount(work / "shared", "memory:1G", f"ttl=30s,uid={BROKER_UID},fmask=0,dmask=0", work / "batonfs.log")
        self.n8n = kind(work, cache, [self.plain, self.shared])
        self.seeds = {}

    def seed(self, name, size):
        """A file of random lines with its SHA-256, at the top of the plain mount: it belongs to no execution."""
        path = self.plain / name
        digest = hashlib.sha256()
        with open(path, "wb") as out:
            for at in range(0, size, MB):
                piece = os.urandom(min(MB, size - at) // 2).hex().encode()
                piece = b"\n".join(piece[i:i + 99] for i in range(0, len(piece), 100)) if len(piece) > 100 else piece
                piece = piece.ljust(min(MB, size - at), b".")
                digest.update(piece)
                out.write(piece)
        os.chmod(path, 0o644)
        self.seeds[str(path)] = digest.hexdigest()
        return str(path)

    def expect_untouched(self, before, executions):
        """
        No byte of a file went through the daemon since `before`: no file was opened without passthrough, and of writes it
        was asked for two per execution at most, the hook's to .baton: in queue mode main and worker both call it.
        """
        after = self.plain.status()
        expect(after["opens"]["daemon"] == before["opens"]["daemon"], f"opened without passthrough: {after['opens']}")
        writes = after["requests"]["write"] - before["requests"]["write"]
        expect(writes <= 2 * executions, f"{writes} writes through the daemon")

    def ended(self, execution):
        """When n8n says it ended, in seconds since the epoch."""
        row = wait_until(30, f"execution {execution} ends", lambda: self.stopped(execution))
        return datetime.fromisoformat(row.replace("Z", "+00:00")).timestamp()

    def stopped(self, execution):
        row = self.n8n.execution(execution)
        return row["stoppedAt"] if row["status"] in ("success", "error", "canceled", "crashed") else None

    def released_after_ms(self, execution, mount=None, killed=()):
        mount = mount or self.plain
        ended = self.ended(execution)
        wait_until(10, f"execution {execution} is released", lambda: mount.why(execution)["releases"])
        why = mount.why(execution)
        # What n8n keeps of it for itself is "external".
        expect(not why["now"] or why["now"]["lifetime"] == "external", f"execution {execution} lives on: {why}")
        # Who was killed in the 5 ms after a release did not come to write down who asked for it.
        expect(why["releases"][0]["reason"] in ("released", *killed), f"{execution}: {why['releases'][0]}")
        expect(not list(mount.place.glob(f"{execution}_*")), f"{execution}: flat files are left")
        return 1000 * (why["releases"][0]["released"] - ended)

    def hand_off(self, hook, seed):
        answer = self.n8n.call(hook, seed=seed)
        expected = self.seeds[seed]
        expect(answer["size"] == answer_size(seed), f"{hook}: {answer}")
        expect(answer["sha256"] == expected and answer["shell"] == expected, f"{hook}: wrong bytes: {answer}")
        return answer["execution"]


def answer_size(seed):
    return os.stat(seed).st_size


# ---- the checks: each returns a line about what it saw ----

def zero_change(world):
    """Write and read nodes, current and legacy, both forms of the path, Execute Command, Code node: no mkdir, no rm."""
    seed, before = world.seed("seed-100.bin", 100 * MB), world.plain.status()
    late = []
    for legacy in (False, True):
        for form in ("directory", "flat"):
            hook = f"{form}-{'legacy' if legacy else 'current'}"
            world.n8n.add(w.hand_off(hook, world.plain.place, form, legacy))
            late.append(world.released_after_ms(world.hand_off(hook, seed)))
    world.expect_untouched(before, 4)
    expect(max(late) <= RELEASE_MS, f"released after {late} ms")
    return f"4 workflows of 100 MB, every byte right, none through the daemon; gone {max(late):.0f} ms after the end at most"


def twenty(world):
    """20 executions at once, each with its own content."""
    seeds = [world.seed(f"seed-of-{i}.bin", 5 * MB) for i in range(20)]
    world.n8n.add(w.hand_off("twenty", world.plain.place, "directory", False))
    before = world.plain.status()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        executions = list(pool.map(lambda seed: world.hand_off("twenty", seed), seeds))
    expect(len(set(executions)) == 20, "executions shared an ID")
    for execution in executions:
        world.released_after_ms(execution)
    world.expect_untouched(before, 20)
    for seed in seeds:
        os.unlink(seed)
    return "20 at once, each found its own 5 MB; all released"


def gigabyte(world):
    """1 GB, and what n8n keeps of it for itself is there until n8n deletes the execution."""
    seed = world.seed("seed-1000.bin", 1000 * MB)
    before = world.plain.status()
    world.n8n.add(w.hand_off("gigabyte", world.plain.place, "directory", False))
    execution = world.hand_off("gigabyte", seed)
    late = world.released_after_ms(execution)
    world.expect_untouched(before, 1)
    expect(late <= RELEASE_MS, f"released after {late} ms")
    os.unlink(seed)
    own = list((world.plain / "n8n").glob(f"**/executions/{execution}"))
    expect(own, "n8n's binary data is not in the mount")
    world.n8n.rest("POST", "/executions/delete", {"ids": [execution]})
    wait_until(30, "n8n prunes its own", lambda: not left_of(world, [execution]))
    return f"1 GB, every byte right, gone {late:.0f} ms after the end; n8n's copy in the mount went when n8n deleted it"


def node(world):
    """The custom node: Hand Off, Load."""
    seed = world.seed("seed-20.bin", 20 * MB)
    world.n8n.add(w.by_node("by-node"))
    answer = world.n8n.call("by-node", seed=seed)
    expect(answer["sha256"] == world.seeds[seed], f"wrong bytes: {answer}")
    expect(answer["loaded"]["verified"] and answer["loaded"]["hash"], f"{answer}")
    world.released_after_ms(answer["execution"])
    os.unlink(seed)
    return f"20 MB handed off and loaded, verified by xxh3 {answer['ref']['xxh3'][:8]}..."


def failing(world):
    """An execution that ends in an error is released, too."""
    world.n8n.add(w.fail("failing", world.plain.place))
    before = newest(world)
    world.n8n.call("failing")
    execution = wait_until(20, "an execution", lambda: newest(world) if newest(world) != before else None)
    late = world.released_after_ms(execution)
    expect(world.n8n.status_of(execution) == "error", "it did not fail")
    return f"gone {late:.0f} ms after the error"


def newest(world):
    rows = world.n8n.rest("GET", "/executions?limit=1")["results"]
    return rows[0]["id"] if rows else None


def waiting(world):
    """A waiting execution keeps its files: pinned; resumed by its webhook it reads them, and then they go."""
    world.n8n.add(w.sleep_then_read("sleeping", world.plain.place))
    before = newest(world)
    world.n8n.call("sleeping")
    execution = wait_until(20, "an execution", lambda: newest(world) if newest(world) != before else None)
    wait_until(20, "it waits", lambda: world.n8n.status_of(execution) == "waiting")
    wait_until(5, "it is pinned", lambda: world.plain.executions()[execution]["pinned"])
    why = world.plain.baton("why", execution)
    time.sleep(35)  # the mount's time-to-live, and a little
    expect(world.plain.executions()[execution]["pinned"], "the pin is gone")
    url = (world.plain / f"{execution}/url").read_text()
    status, text = world.n8n.request("GET", url[url.index("/webhook-waiting"):])
    expect(status == 200 and b"kept" in text, f"resumed: {status} {text}")
    late = world.released_after_ms(execution)
    return f"kept past its ttl (baton why: {why!r}); resumed, gone {late:.0f} ms after its end"


def crash(world):
    """kill -9 of n8n: the files of what ran go with their time-to-live; a pin that nobody takes off is found."""
    world.n8n.add(w.write_and_hang("hanging", world.plain.place))
    world.n8n.add(w.sleep_then_read("forgotten", world.plain.place))
    world.n8n.call("forgotten")
    execution = wait_until(20, "files", lambda: next((e for e, x in world.plain.executions().items() if x["pinned"]), None))
    world.n8n.call("hanging")
    hanging = wait_until(20, "files", lambda: next(
        (e for e in world.plain.executions() if (world.plain / f"{e}/input.bin").exists() and e != execution), None))
    world.n8n.main.stop(signal.SIGKILL)
    world.n8n.runner.stop(signal.SIGKILL)
    why = world.plain.baton("why", hanging)
    wait_until(60, "it expires", lambda: not (world.plain / f"{hanging}/input.bin").exists())
    expect(world.plain.why(hanging)["releases"][0]["reason"] == "expired", f"{world.plain.why(hanging)}")
    expect(world.plain.executions()[execution]["pinned"], "a waiting one was lost in the crash")
    after = world.plain.baton("why", hanging)
    world.n8n.start()
    world.n8n.rest("POST", "/login", {"emailOrLdapLoginId": "owner@example.com", "password": "Password-4711"})
    expect(world.plain.executions()[execution]["pinned"], "a waiting one lost its pin at the start")
    world.n8n.rest("POST", "/executions/delete", {"ids": [execution]})
    world.n8n.stop()
    world.n8n.start()
    wait_until(10, "the forgotten pin goes", lambda: not world.plain.executions().get(execution, {}).get("pinned"))
    return f"before: {why!r}; after: {after!r}; the pin of a deleted one went at the next start"


def users(world):
    """What a runner of another user than the broker may do: by default, and with uid=, fmask=0, dmask=0."""
    world.n8n.runner.stop(signal.SIGKILL)
    world.n8n.start_runner(DISTROLESS_UID)
    try:
        seen = {name: may(world, name, mount) for name, mount in (("plain", world.plain), ("shared", world.shared))}
    finally:
        world.n8n.runner.stop(signal.SIGKILL)
        world.n8n.start_runner()
    expect(seen["plain"] == {"read": "yes", "map": "yes", "beside": "yes", "rewrite": "EACCES", "unlink": "EPERM"},
           f"plain: {seen['plain']}")
    expect(set(seen["shared"].values()) == {"yes"}, f"shared: {seen['shared']}")
    return f"default: {seen['plain']}; uid={BROKER_UID},fmask=0,dmask=0: everything"


def may(world, name, mount):
    seed = world.seed("seed-1.bin", MB)
    world.n8n.add(w.permissions(f"may-{name}", mount.place))
    answer = world.n8n.call(f"may-{name}", seed=seed)
    world.released_after_ms(answer.pop("execution"), mount)
    os.unlink(seed)
    return answer


def workers_share(world):
    """Queue mode: n8n's binary data and the execution's files, written by one worker, are read by the other."""
    seed = world.seed("seed-10.bin", 10 * MB)
    world.n8n.add(w.workers_change("change", world.plain.place))
    executions = set()
    for _ in range(5):  # the two workers take turns, so an odd number makes them change
        world.n8n.call("change", seed=seed)
        wait_until(30, "it sleeps", lambda: len(pinned(world) - executions) == 1)
        executions |= pinned(world)
    changed = 0
    for execution in sorted(executions):
        url = (world.plain / f"{execution}/url").read_text()
        status, text = world.n8n.request("GET", url[url.index("/webhook-waiting"):])
        expect(status == 200, f"resumed: {status} {text[:300]}")
        answer = json.loads(text)
        answer = answer[0] if isinstance(answer, list) else answer
        expect(answer["first"] == answer["second"] == world.seeds[seed], f"wrong bytes: {answer}")
        changed += answer["before"].strip() != answer["after"].strip()
        world.released_after_ms(execution)
    expect(changed > 0, "all executions stayed with their worker: nothing was shown")
    expect(list((world.plain / "n8n").glob("**/binary_data/*")), "n8n's binary data is not in the mount")
    world.n8n.rest("POST", "/executions/delete", {"ids": sorted(executions)})
    wait_until(30, f"n8n prunes: {left_of(world, executions)}", lambda: not left_of(world, executions))
    return f"5 executions of 10 MB, {changed} went on with the other worker; released; n8n pruned its own"


def replaced(world):
    """Queue mode, while the process that serves the mount is killed and upgraded again and again: no execution notices."""
    seeds = [world.seed(f"seed-of-{i}.bin", 5 * MB) for i in range(20)]
    world.n8n.add(w.hand_off("killed", world.plain.place, "directory", False))
    world.n8n.add(w.hand_off("killed-legacy", world.plain.place, "flat", True))
    before, executions = world.plain.status(), []
    stop = threading.Event()
    killer = threading.Thread(target=replace_workers, args=(world.plain, stop))
    killer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            for hook in ("killed", "killed-legacy", "killed"):
                executions += pool.map(lambda seed, hook=hook: world.hand_off(hook, seed), seeds)
        for execution in executions:
            world.released_after_ms(execution, killed=("unrecorded",))
    finally:
        stop.set()
        killer.join()
    after = world.plain.status()
    upgrades = after["upgrades"] - before["upgrades"]
    kills = after["takeovers"] - before["takeovers"] - upgrades
    expect(len(set(executions)) == 60, "executions shared an ID")
    expect(kills >= 5 and upgrades >= 5, f"only {kills} kills, {upgrades} upgrades")
    for seed in seeds:
        os.unlink(seed)
    return f"{kills} kills and {upgrades} upgrades under 60 executions of 5 MB, 20 at once: every byte right, all released"


def replace_workers(mount, stop):
    while not stop.wait(0.3):
        os.kill(mount.status()["worker"], signal.SIGKILL)
        if not stop.wait(0.3):
            mount.baton("upgrade")


def left_of(world, executions):
    """n8n's own binary data of them."""
    return [str(path) for e in sorted(executions) for path in (world.plain / "n8n").glob(f"**/executions/{e}/**/*-*")]


def pinned(world):
    return {e for e, x in world.plain.executions().items() if x["pinned"] and (world.plain / f"{e}/worker").exists()}


def first_handoff(world):
    """The commands of docs/n8n.md, as they stand there, on a /data/tmp and with an n8n of their own."""
    table = list(commands.claims())
    shown = [c.text for c in commands.commands_of("docs/n8n.md") if commands.claim_of(c, table).test == "tools/test-n8n"]
    text = (commands.ROOT / "docs/n8n.md").read_text()
    for number, name in re.findall(r"^    (\w+)\|(.*)$", text, re.M):  # each n8n gives its own to what it imports
        found = f"$(n8n list:workflow | sed -n 's/|{name}$//p')"
        shown = [c.replace(f"--id={number}", f'--id="{found}"') for c in shown]
    home = world.work / "first"
    home.mkdir()
    script = "\n".join((
        "set -e", "mkdir -p /data", "mount -t tmpfs none /data", 'sudo() { "$@"; }',
        f'n8n() {{ "{world.n8n.node}" "{world.n8n.modules}/n8n/bin/n8n" "$@"; }}',
        *shown, "umount /data/tmp"))
    env = {"PATH": f"{Path(world.n8n.node).parent}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8",
           "N8N_USER_FOLDER": str(home), "N8N_RUNNERS_BROKER_PORT": "15699", "N8N_DIAGNOSTICS_ENABLED": "false"}
    done = subprocess.run(["unshare", "--mount", "bash", "-c", script], env=env, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=180)
    said = done.stdout + done.stderr
    expect(done.returncode == 0, f"exit {done.returncode}: {said}")
    for wanted in ("Successfully imported 4 workflows.", '"path": "/data/tmp/1/input.txt"', "1 was released "):
        expect(wanted in said, f"no `{wanted}` in: {said}")
    return f"{len(shown)} commands of docs/n8n.md: a file handed over by path, and released"


CHECKS = (first_handoff, zero_change, node, twenty, gigabyte, failing, users, waiting, crash)
QUEUED = (zero_change, twenty, workers_share, replaced)


# ---- the table ----

def measure(world, hook, seed):
    processes = (world.n8n.main, world.n8n.runner)
    for process in processes:
        process.forget_peak()
    started = time.monotonic()
    answer = world.n8n.call(hook, seed=seed)
    seconds = time.monotonic() - started
    runs = world.n8n.runs(answer["execution"])
    return answer["lines"], runs["Step"]["executionTime"] / 1000, seconds, [p.memory() / MB for p in processes]


def table(world, sizes):
    """By value and by reference: time of the step in which the runner counts lines, and most memory meanwhile."""
    world.n8n.add(w.by_value("by-value"))
    world.n8n.add(w.by_reference("by-reference", world.plain.place))
    warm = world.seed("seed-warm.csv", MB)
    for hook in ("by-reference", "by-value"):
        measure(world, hook, warm)
    print("| MB | how | the step, s | whole execution, s | peak of main, MB | peak of runner, MB |\n|---|---|---|---|---|---|")
    lines = {}
    for hook in ("by-reference", "by-value"):  # what the second one leaves in memory would be seen in the first
        for size in sizes:
            if not row_of(world, hook, size, lines):
                return
    for size in sizes:
        expect(lines.get(("by-reference", size)) == lines.get(("by-value", size)), f"lines differ: {lines}")


def row_of(world, hook, size, lines):
    seed = world.seed(f"seed-{size}.csv", size * MB)
    try:
        lines[hook, size], step, whole, memory = measure(world, hook, seed)
        print(f"| {size} | {hook} | {step:.2f} | {whole:.2f} | {memory[0]:.0f} | {memory[1]:.0f} |", flush=True)
        return True
    except (Failure, OSError) as error:
        print(f"| {size} | {hook} | {str(error)[:200]} |", flush=True)
        for process in (world.n8n.main, world.n8n.runner):
            print(f"  {process.name}: {'alive' if process.alive() else 'dead'}: {process.tail()[-600:]}")
        return False
    finally:
        Path(seed).unlink(missing_ok=True)  # it may have outlived its time-to-live


def check_all(world, checks, wanted):
    failed = 0
    for check in checks:
        if wanted and check.__name__ not in wanted:
            continue
        started = time.monotonic()
        try:
            status, said = "PASS", check(world)
        except (Failure, OSError, KeyError) as error:
            failed += 1
            status, said = "FAIL", f"{error}" if isinstance(error, Failure) else traceback.format_exc()
        print(f"{status}  {check.__name__}  {time.monotonic() - started:.1f}s  {said}", flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(prog="tools/test-n8n", description="Checks against a real n8n.")
    parser.add_argument("--table", nargs="*", type=int, metavar="MB", help="measure by value and by reference instead")
    parser.add_argument("--queue", action="store_true", help="queue mode: PostgreSQL, Redis, two workers")
    parser.add_argument("check", nargs="*", help=", ".join(c.__name__ for c in CHECKS))
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    work = Path(tempfile.mkdtemp(prefix="batonfs-n8n-"))
    work.chmod(0o755)
    world, failed = None, 1
    try:
        world = World(work, Path(os.environ["BATONFS_N8N"]), QueuedN8n if args.queue else N8n)
        world.n8n.start()
        world.n8n.sign_in()
        if args.table is not None:
            table(world, args.table or [10, 50, 100])
            failed = 0
        else:
            checks = QUEUED if args.queue else CHECKS
            failed = check_all(world, checks, args.check)
            print(f"{len(args.check or checks) - failed} passed, {failed} failed")
    finally:
        if world:
            world.n8n.stop()
            if failed:
                print("--- n8n\n" + world.n8n.main.tail())
                for process in (world.n8n.runner, *world.n8n.others()):
                    print(f"--- {process.name}\n{process.tail()}" if process else "--- no runner")
            world.plain.unmount()
            world.shared.unmount()
        if failed:
            print(f"logs are in {work}")
        else:
            shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
