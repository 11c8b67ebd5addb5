#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
#
# .baton/metrics: each metric moves when what it counts happens, the text is of Prometheus' format, and docs/metrics.md
# lists what is there.
. "$TESTS/lib/mount.sh"

mount_batonfs -o ttl=2s
export PYTHONPATH=$TESTS/lib PYTHONDONTWRITEBYTECODE=1
python3 - "$MNT" "$STORE" "$OPTS" <<'PYTHON' || fail "see above"
import ctypes, errno, fcntl, os, sys, time
import promtext

mnt, store, opts = sys.argv[1:]
metrics = f"{mnt}/.baton/metrics"
libc = ctypes.CDLL(None, use_errno=True)


def read():
    with open(metrics) as f:
        return promtext.parse(f.read())


def value(families, name, **labels):
    family = next((f for f in (name, name.removesuffix("_count")) if f in families), None)
    if family is None:
        sys.exit(f"FAIL: no metric {name}")
    wanted = set(labels.items())
    return sum(n for (sample, have), n in families[family].samples.items() if sample == name and wanted <= set(have))


def moves(what, *wanted, down=False):
    """Each of (name, labels) must have changed after what() within some seconds."""
    before = read()
    keep = what()
    end = time.monotonic() + 30
    left = list(wanted)
    while left:
        now = read()
        left = [(name, labels) for name, labels in left
                if not (value(now, name, **labels) < value(before, name, **labels) if down
                        else value(now, name, **labels) > value(before, name, **labels))]
        if left and time.monotonic() > end:
            sys.exit(f"FAIL: {left} did not move")
    return keep


def m(name, **labels):
    return name, labels


def op(name):
    return m("batonfs_request_duration_seconds_count", op=name)


def write(path, data=b"x", flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    os.write(fd, data)
    os.close(fd)


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def fails(err, call, *args):
    try:
        call(*args)
    except OSError as e:
        assert e.errno == err, e
        return
    sys.exit(f"FAIL: {call} {args} did not fail")


path = "passthrough" if not opts else "daemon"
d = f"{mnt}/4711"

# ---- executions, opens, what was handed over ----
moves(lambda: write(f"{d}/a", b"a" * 1000), m("batonfs_executions"), m("batonfs_execution_files"), m("batonfs_execution_bytes"),
      m("batonfs_opens_total", path=path), m("batonfs_known_inodes"), m("batonfs_ledger_events_total"),
      m("batonfs_ledger_commits_total"), m("batonfs_ledger_wal_bytes"), m("batonfs_directory_lookups_total", result="miss"))
fd = moves(lambda: os.open(f"{d}/a", os.O_RDONLY), m("batonfs_open_files"), m("batonfs_handed_over_bytes_total", path=path))
moves(lambda: os.close(fd), m("batonfs_open_files"), down=True)
now = read()
if path == "passthrough":
    moves(lambda: write(f"{d}/b"), m("batonfs_backing_registrations_total"))
    moves(lambda: (read_file(f"{d}/b"), time.sleep(0.01)), m("batonfs_refreshed_attributes_total"))
    assert value(now, "batonfs_passthrough") == 1 and value(now, "batonfs_handed_over_bytes_total") == 1000
    assert value(now, "batonfs_not_copied_bytes_total") == 1000 and value(now, "batonfs_estimated_saved_seconds_total") == 16e-6
else:
    moves(lambda: (write(f"{d}/b", b"b" * 10), read_file(f"{d}/b")), m("batonfs_written_bytes_total"), m("batonfs_read_bytes_total"))
    assert value(now, "batonfs_passthrough") == 0
moves(lambda: os.setxattr(d, "user.baton.pinned", b"1"), m("batonfs_pinned_executions"))
moves(lambda: os.unlink(f"{d}/b"), m("batonfs_directory_lookups_total", result="hit"))

# ---- every operation ----
def all_operations():
    f = f"{d}/ops"
    fd = os.open(f, os.O_RDWR | os.O_CREAT, 0o644)  # lookup, create
    os.write(fd, b"x" * 8192)
    os.fsync(fd)
    assert libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(8192)) == 0
    os.lseek(fd, 0, os.SEEK_HOLE)
    fcntl.ioctl(fd, 0x80086601, bytearray(8))  # FS_IOC_GETFLAGS
    other = os.open(f"{d}/copy", os.O_WRONLY | os.O_CREAT, 0o644)
    os.copy_file_range(fd, other, 4096, 0)
    os.close(other)
    os.close(fd)
    os.close(os.open(f, os.O_RDONLY))  # open, release
    os.chmod(f, 0o600)  # setattr
    os.stat(f)
    os.symlink("ops", f"{d}/link")
    os.readlink(f"{d}/link")
    os.mkfifo(f"{d}/fifo")
    os.mkdir(f"{d}/dir")
    fd = os.open(f"{d}/dir", os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    os.listdir(d)
    os.rmdir(f"{d}/dir")
    os.rename(f"{d}/fifo", f"{d}/pipe")
    os.link(f, f"{d}/hard")
    os.statvfs(mnt)
    os.setxattr(f, "user.a", b"1")
    os.getxattr(f, "user.a")
    os.listxattr(f)
    os.removexattr(f, "user.a")
    os.close(os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600))
    read_file(f"{mnt}/.baton/version")  # read
    write(f"{mnt}/.baton/executions/4711/ttl", b"1h")  # write
    os.unlink(f"{d}/copy")  # forget
    os.utime(f)
    with open(f, "rb") as g:
        os.fstat(g.fileno())  # getattr


labels = {dict(have)["op"] for _, have in now["batonfs_request_duration_seconds"].samples}
moves(all_operations, *(op(name) for name in sorted(labels)))
moves(lambda: fails(errno.ENODATA, os.getxattr, f"{d}/a", "user.none"), m("batonfs_request_errors_total", op="getxattr", errno="ENODATA"))

# ---- the ends of executions ----

def ended(reason):
    return m("batonfs_releases_total", reason=reason), m("batonfs_released_bytes_total", reason=reason)


def released():
    write(f"{mnt}/4712/a")
    os.mkdir(f"{mnt}/4712/sub")
    write(f"{mnt}/.baton/executions/4712/release")


def all_ends():
    fd = os.open(f"{mnt}/in use", os.O_WRONLY | os.O_CREAT)
    released()
    write(f"{mnt}/4714/a")
    write(f"{mnt}/4715/a")
    os.unlink(f"{mnt}/4715/a")
    write(f"{mnt}/4716_a")
    os.unlink(f"{mnt}/4716_a")
    return fd


os.close(moves(all_ends, *ended("released"), *ended("expired"), m("batonfs_releases_total", reason="empty"),
               m("batonfs_releases_total", reason="removed"), m("batonfs_trash_deleted_total"),
               m("batonfs_reaper_deferred_total"), m("batonfs_reaper_passes_total")))

# What is being deleted is gone soon: tried until it is seen.
end = time.monotonic() + 30
seen = False
while not seen:
    for i in range(500):
        os.mknod(f"{mnt}/4717/{i}") if i else write(f"{mnt}/4717/0")
    write(f"{mnt}/.baton/executions/4717/release")
    seen = value(read(), "batonfs_trash_entries") > 0
    assert seen or time.monotonic() < end, "batonfs_trash_entries did not move"
# ---- sharing ----
def two_of_the_same():
    data = os.urandom(3 << 20)
    write(f"{d}/same", data)
    write(f"{d}/twin", data)


def copied_as_cp():
    """On a busy machine there may be too much between the two opens: then the bytes are copied."""
    before = value(read(), "batonfs_clones_total")
    for _ in range(1000):
        source = os.open(f"{d}/same", os.O_RDONLY)
        target = os.open(f"{d}/clone", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        done = os.copy_file_range(source, target, 3 << 20)
        os.close(source)
        os.close(target)
        if done == 3 << 20 and value(read(), "batonfs_clones_total") > before:
            return
        os.unlink(f"{d}/clone")


moves(two_of_the_same, m("batonfs_shared_files_total"), m("batonfs_shared_saved_bytes_total"), m("batonfs_blobs_made_total"))
assert value(read(), "batonfs_shared_files_total") == 2
saved = value(read(), "batonfs_not_copied_bytes_total")
moves(copied_as_cp, m("batonfs_clones_total"), m("batonfs_cloned_bytes_total"))
assert value(read(), "batonfs_not_copied_bytes_total") >= saved + (3 << 20)
moves(lambda: [os.unlink(f"{d}/{name}") for name in ("same", "twin", "clone")], m("batonfs_blobs_removed_total"))

# ---- sealing ----
moves(lambda: write(f"{d}/hash", os.urandom(1 << 16)), m("batonfs_hashed_files_total"), m("batonfs_hashed_bytes_total"))
if store.startswith("memory"):
    def streamed():
        fd = os.open(f"{d}/huge", os.O_WRONLY | os.O_CREAT)
        for _ in range(64):
            os.write(fd, b"z" * 65536)
        os.close(fd)
    with open("/sys/kernel/mm/transparent_hugepage/shmem_enabled") as f:
        if "[deny]" not in f.read() and value(read(), "batonfs_mount_info", hugepages="within_size"):
            moves(streamed, m("batonfs_collapsed_bytes_total"))

    def too_many():
        for i in range(64):  # hashes that take longer than all the rest
            with open(f"{d}/sparse{i}", "wb") as f:
                f.truncate(1 << 30)
        write(f"{d}/small", b"s" * 65536)
        end = time.monotonic() + 30  # whenever the hasher gets to it
        while value(read(), "batonfs_seal_dropped_total") == 0 and time.monotonic() < end:
            for _ in range(1000):
                os.close(os.open(f"{d}/small", os.O_WRONLY))
        for i in range(64):
            os.unlink(f"{d}/sparse{i}")

    moves(too_many, m("batonfs_seal_dropped_total"))

# ---- store, ledger, process ----
def falls(name, use):
    """What others on the same filesystem give back meanwhile may be more: then again."""
    end = time.monotonic() + 30
    turn = 0
    while True:
        before = value(read(), name)
        use(turn)
        if value(read(), name) < before:
            return
        turn += 1
        if time.monotonic() > end:
            sys.exit(f"FAIL: {name} does not fall")


def takes_inodes(turn):
    for i in range(200):
        write(f"{d}/inode{turn}_{i}")


falls("batonfs_store_free_bytes", lambda turn: write(f"{d}/space{turn}", os.urandom(20 << 20)))
falls("batonfs_store_free_inodes", takes_inodes)
now = read()
assert value(now, "batonfs_store_size_bytes") == os.statvfs(mnt).f_blocks * os.statvfs(mnt).f_frsize
assert value(now, "batonfs_store_inodes") == os.statvfs(mnt).f_files
assert value(now, "batonfs_default_ttl_seconds") == 2
assert value(now, "batonfs_build_info") == value(now, "batonfs_mount_info") == 1
moves(lambda: [os.listdir(d) for _ in range(2000)], m("process_cpu_seconds_total"))
assert 1e9 < value(now, "process_start_time_seconds") <= time.time() + 1
assert 3 < value(now, "process_open_fds") < value(now, "process_max_fds")
assert 1e6 < value(now, "process_resident_memory_bytes") < 1e12

if not store.startswith("memory"):
    import sqlite3
    other = sqlite3.connect(f"{store}/ledger.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    moves(lambda: write(f"{d}/late"), m("batonfs_ledger_failing"), m("batonfs_ledger_queue_bytes"))
    other.execute("ROLLBACK")

# ---- the text, and its description ----
listed = {}
with open(f"{os.environ['TESTS']}/../docs/metrics.md") as f:
    for line in f:
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `"):
            listed[cells[1].strip("`")] = (cells[2], {x.strip() for x in cells[3].split(",")} - {""})
found = {f.name: (f.type, f.labels()) for f in read().values()}
for name in listed.keys() | found.keys():
    if listed.get(name) != found.get(name):
        sys.exit(f"FAIL: {name}: docs/metrics.md says {listed.get(name)}, .baton/metrics has {found.get(name)}")
PYTHON

if command -v promtool >/dev/null; then
	out=$(promtool check metrics <"$MNT/.baton/metrics" 2>&1) || fail "promtool: $out"
	expect_eq "" "$out" "promtool"
fi
