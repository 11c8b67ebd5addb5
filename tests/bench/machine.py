# SPDX-License-Identifier: MIT
"""What the numbers were measured on, and how much of it somebody else used meanwhile."""

import mmap
import os
import platform
import resource
from pathlib import Path

import figures

CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
MADV_POPULATE_WRITE = 23  # Linux 5.14; Python has no name for it


def read(path, default=""):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return default


def cpu_times():
    words = read("/proc/stat").splitlines()[0].split()
    return dict(zip(CPU_FIELDS, map(int, words[1:])))


def usage():
    """CPU time until now: of the whole machine (see cpu_times), and of this process and its ended children."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return cpu_times(), sum(u.ru_utime + u.ru_stime for u in own)


def others_percent(before):
    """How much of the machine somebody else used since usage(): other programs, and the kernel's own threads."""
    return figures.others_percent(before, usage(), os.sysconf("SC_CLK_TCK"))


def memory_available_bytes():
    for line in read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_model():
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def os_name():
    for line in read("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def describe():
    """Facts that do not change during a run."""
    return {
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "virtual": "hypervisor" in read("/proc/cpuinfo"),
        "kernel": platform.release(),
        "system": os_name(),
        "thp_shmem": read("/sys/kernel/mm/transparent_hugepage/shmem_enabled"),
        "load_before": list(os.getloadavg()),
    }


def touch_memory(size):
    """
    Have the host give this machine its memory before anything is measured: the first use of a page of a
    virtual machine costs much more than any later one. In huge pages, for what is free in blocks of that size is
    what a host asks back (free page reporting), 2 s after it was freed: 200 MiB are then touched in 450 ms, not 20.
    """
    try:
        with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(mmap.MADV_HUGEPAGE)
            memory.madvise(MADV_POPULATE_WRITE)
    except (OSError, ValueError):
        pass
