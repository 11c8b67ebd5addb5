# SPDX-License-Identifier: MIT
"""
How one workload is run in one directory: by the program `workload`, by fio, or by the demonstration's Node
and Python. Each returns the series of numbers that the workload's metrics are taken from.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parent.parent.parent / "tools" / "demo"
sys.path.insert(0, str(DEMO))
import compare  # noqa: E402

RUN_TIMEOUT_S = 300
# fio's own; a file is written at random, then read back and each block's checksum compared.
FIO = ("--name=verify", "--rw=randwrite", "--bs=64k", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1",
       "--thread", "--output-format=json")


class Failed(Exception):
    """The workload did not do what it should; the text says what happened."""


def run(command, directory=None):
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=RUN_TIMEOUT_S, check=False, cwd=directory)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {RUN_TIMEOUT_S} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failed(said[-1] if said else f"exit {done.returncode}")
    return done.stdout


def by_program(program, directory, workload):
    parameters = [f"{key}={value}" for key, value in workload.params.items()]
    return json.loads(run([program, workload.program, directory, *parameters]))["series"]


def by_fio(_program, directory, workload):
    os.makedirs(directory, exist_ok=True)
    try:
        said = run(["fio", *FIO, f"--ioengine={workload.params['engine']}", f"--size={workload.params['size']}",
                    f"--directory={directory}"], "/")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    job = json.loads(said[said.index("{"):])["jobs"][0]
    if job["error"]:
        raise Failed(f"fio: error {job['error']}")
    return {"fio_write_mbps": [job["write"]["bw_bytes"] / 1e6], "fio_verify_mbps": [job["read"]["bw_bytes"] / 1e6]}


def from_node(directory, size, modes):
    """Hand-offs of one file from Node to Python, one after the other; returns the last one's numbers."""
    os.makedirs(directory, exist_ok=True)
    try:
        for mode in modes:
            sent, got = compare.hand_off(mode, f"{directory}/input.bin", size)
    except (compare.Failed, ValueError, subprocess.TimeoutExpired) as error:
        raise Failed(str(error)) from None
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return {
        "ready_ns": [got["first_ns"] - sent["ready_ns"]],
        "all_ns": [got["all_ns"] - sent["ready_ns"]],
        "sent_bytes": [sent["sent_bytes"]],
        "sender_kib": [sent["peak_kib"]],
        "receiver_kib": [max(0, got["peak_kib"] - got["mapped_kib"])],
    }


def by_node(_program, directory, workload):
    # By value, the file is there before (written by path) and only its bytes are sent.
    modes = ("by-path", "by-value") if workload.params["by_value"] else ("by-path",)
    return from_node(directory, workload.params["size"], modes)


EXECUTORS = {"fio": by_fio, "node": by_node}


def missing(workload):
    """The program that this workload needs and that is not there; "" if it can run."""
    return workload.program if workload.program in EXECUTORS and not shutil.which(workload.program) else ""


def execute(program, directory, workload):
    return EXECUTORS.get(workload.program, by_program)(program, directory, workload)
