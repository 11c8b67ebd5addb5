# SPDX-License-Identifier: MIT
"""Hand a file from a Node process to a Python process, by path and by value, and print what it cost.

    python3 compare.py FILE BYTES

FILE is written by the first hand-off and read by the second. Each hand-off has two fresh processes that
are connected by a loopback TCP socket before anything is measured. Exits 1 if a process fails or if
anybody's SHA-256 differs.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 300


class Failed(Exception):
    pass


def finish(process, who):
    out, _ = process.communicate(timeout=TIMEOUT_S)
    if process.returncode != 0:
        raise Failed(f"{who} failed with exit code {process.returncode}")
    return json.loads(out.splitlines()[-1])


def hand_off(mode, path, size):
    receiver = subprocess.Popen([sys.executable, os.path.join(HERE, "receive.py")],
                                stdout=subprocess.PIPE, text=True)
    try:
        port = receiver.stdout.readline().strip()
        if not port:
            raise Failed("receive.py did not start")
        sender = subprocess.Popen(["node", os.path.join(HERE, "send.mjs"), mode, path, str(size), port],
                                  stdout=subprocess.PIPE, text=True)
        try:
            sent = finish(sender, "send.mjs")
        finally:
            sender.kill()
        got = finish(receiver, "receive.py")
    finally:
        receiver.kill()
    if sent["sha256"] != got["sha256"] or got["bytes"] != size:
        raise Failed(f"{mode}: the receiver got something else: SHA-256 {got['sha256']}, "
                     f"sent {sent['sha256']}")
    return sent, got


def time_text(ns):
    if ns < 1e6:
        return f"{ns / 1e3:.0f} µs"
    if ns < 1e9:
        return f"{ns / 1e6:.3g} ms"
    return f"{ns / 1e9:.2f} s"


def bytes_text(count):
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.0f} MiB" if count >= 100 << 20 else f"{count / 1024 / 1024:.1f} MiB"


def rows(path, value):
    """(label, by path, by value): each of the two is (sender's result, receiver's result)."""
    def both(label, number, text):
        return label, text(number(*path)), text(number(*value))

    def since_ready(key):
        return lambda sent, got: got[key] - sent["ready_ns"]

    return [
        both("hand-off, to the first byte", since_ready("first_ns"), time_text),
        both("hand-off, to all bytes", since_ready("all_ns"), time_text),
        both("the same, and its SHA-256", since_ready("hashed_ns"), time_text),
        both("sent over the socket", lambda sent, got: sent["sent_bytes"], bytes_text),
        both("peak memory, Node", lambda sent, got: sent["peak_kib"] * 1024, bytes_text),
        both("peak memory, Python", lambda sent, got: got["peak_kib"] * 1024, bytes_text),
        both("  without the file's own pages",
             lambda sent, got: max(0, got["peak_kib"] - got["mapped_kib"]) * 1024, bytes_text),
    ]


def print_result(size, path, value):
    print(f"\nSHA-256 by Node    {path[0]['sha256']}")
    print(f"SHA-256 by Python  {path[1]['sha256']}\n")
    table = [(f"{size / 1e6:g} MB, from Node to Python", "by path", "by value")] + rows(path, value)
    widths = [max(len(row[i]) for row in table) for i in range(3)]
    for number, row in enumerate(table):
        print(f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}")
        if number == 0:
            print("-" * (sum(widths) + 4))
    write_ns = path[0]["ready_ns"] - path[0]["started_ns"]
    print(f"""
By path: Node sends a JSON reference, Python maps the file. By value: Node reads the file and sends it
as base64 in JSON, Python parses and decodes it. Time runs from the file being there, written and
closed by Node (which took {time_text(write_ns)}), until Python can read its first byte, and has touched
every page. Peak memory is what each process grew by over its idle state (VmHWM; for Node by path that
includes writing the file); pages of the file that Python maps are counted in it, although they are the
file itself and no copy: hence the last row.""")


def main():
    path, size = sys.argv[1], int(sys.argv[2])
    try:
        by_path = hand_off("by-path", path, size)
        by_value = hand_off("by-value", path, size)
    except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as error:
        sys.exit(f"hand-off: {error}")
    try:
        print_result(size, by_path, by_value)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
