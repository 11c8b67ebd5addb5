# SPDX-License-Identifier: MIT
"""The receiving half of the demonstration, in the place of a Python task runner.

    python3 receive.py

Listens on a free loopback port and prints its number as the first line. Takes one message, a line of
JSON: either the reference of a file, which is mapped, or its bytes as base64, which are decoded. Prints
the result as a line of JSON. Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine
share.
"""

import base64
import hashlib
import json
import mmap
import socket
import time

PAGE_BYTES = 4096


def memory_kib(field):
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0


def shared_kib():
    """What is in memory of mapped files: the pages of the page cache itself, no copies."""
    return memory_kib("RssFile") + memory_kib("RssShmem")


def start_measuring():
    """The idle process is the baseline: forget the peak of its start, where that is allowed."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as refs:
            refs.write("5")
    except OSError:
        pass
    return memory_kib("VmHWM"), shared_kib()


def receive_line(connection):
    line = bytearray()
    while not line.endswith(b"\n"):
        part = connection.recv(1 << 20)
        if not part:
            raise EOFError("the sender is gone")
        line += part
    return line


def open_message(message):
    """The content as a buffer, and when its first byte could be read."""
    if "path" in message:
        with open(message["path"], "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    else:
        content = base64.b64decode(message["data"])
    first_byte = content[0]
    return content, first_byte, time.monotonic_ns()


def main():
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()

    baseline, baseline_shared = start_measuring()
    with connection:
        message = json.loads(receive_line(connection))
        content, _, first_ns = open_message(message)
        content[::PAGE_BYTES]  # touch every page: now all of it is there
        all_ns = time.monotonic_ns()
        digest = hashlib.sha256(content).hexdigest()
        hashed_ns = time.monotonic_ns()
        peak = memory_kib("VmHWM") - baseline
        mapped = max(0, shared_kib() - baseline_shared)
        connection.sendall(b"done\n")

    print(json.dumps({
        "bytes": len(content),
        "first_ns": first_ns,
        "all_ns": all_ns,
        "hashed_ns": hashed_ns,
        "peak_kib": peak,
        "mapped_kib": mapped if "path" in message else 0,
        "sha256": digest,
    }))


if __name__ == "__main__":
    main()
