#!/bin/bash
# SPDX-License-Identifier: MIT
# When a release returns, its names are gone for everybody: also where they were cached, listed, open or a
# working directory. Who has a file open or mapped goes on with it, and the ID starts again empty.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs

cat >"$WORK/client.py" <<'END'
import mmap, os, sys
mnt, release = sys.argv[1], len(sys.argv) > 2
one, flat, job = f"{mnt}/1", f"{mnt}/1_flat", f"{mnt}/job"

def there(path):
    return os.path.exists(path)

def expect(wanted, got, what):
    if wanted != got:
        sys.exit(f"{what}: expected {wanted}, got {got}")

for n in range(50):
    for path in f"{one}/a", f"{one}/b", flat:
        with open(path, "w") as f:
            f.write(f"round {n}" + "x" * 8192)
    os.makedirs(f"{one}/sub/deep", exist_ok=True)
    open(f"{one}/sub/deep/c", "w").close()
    os.makedirs(job)
    open(f"{job}/j", "w").close()
    # cached: names that are there, names that are not, listings
    for path in f"{one}/a", f"{one}/b", flat, f"{one}/sub/deep/c", f"{job}/j":
        expect(True, there(path), path)
    expect(False, there(f"{one}/none"), "none")
    expect(["a", "b", "sub"], sorted(os.listdir(one)), "list")
    expect(["1", "1_flat", "job"], sorted(os.listdir(mnt)), "root")
    expect(["1", "job"], sorted(os.listdir(f"{mnt}/.baton/executions")), "executions")
    # held: open, mapped and closed, an open directory, the working directory
    fd = os.open(f"{one}/a", os.O_RDWR)
    with open(f"{one}/b", "rb") as f:
        mapped = mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
    dirfd = os.open(f"{one}/sub", os.O_RDONLY)
    os.chdir(one)

    for id in "1", "job":
        with open(f"{mnt}/.baton/executions/{id}/release", "w") as f:
            f.write("1")
    for path in f"{one}/a", f"{one}/b", flat, f"{one}/sub", f"{one}/sub/deep/c", f"{one}/none", f"{job}/j", job:
        expect(False, there(path), path)
    expect([], os.listdir(one), "list")
    expect([], os.listdir(mnt), "root")
    expect([], os.listdir(f"{mnt}/.baton/executions"), "executions")

    expect(b"round", os.pread(fd, 5, 0), "open file")
    expect(b"round", mapped[:5], "mapped file")
    expect(b"x", mapped[8192:8193], "mapped file")
    expect(8, os.pwrite(fd, b"written!", 0), "write")
    expect(b"written!", os.pread(fd, 8, 0), "read it")
    os.fsync(fd)
    expect(True, os.fstat(fd).st_size > 8192, "fstat")
    try:
        os.open("deep/new", os.O_CREAT | os.O_WRONLY, dir_fd=dirfd)
        sys.exit("created a file in a released directory")
    except FileNotFoundError:
        pass

    # The ID starts again.
    with open(f"{one}/b", "w") as f:
        f.write("second")
    expect(["b"], os.listdir(one), "again")
    expect("second", open(f"{one}/b").read(), "again")
    expect(b"round", mapped[:5], "mapped file")
    expect(False, there(f"{one}/a"), "a of the first")
    os.unlink(f"{one}/b")
    expect(8, os.pwrite(fd, b"and more", 0), "write")
    mapped.close()
    os.close(fd)
    os.close(dirfd)
    os.chdir("/")
END
expect python3 "$WORK/client.py" "$MNT"

# Seen by another process at the same moment: cached there, released here.
cat >"$WORK/other.py" <<'END'
import os, sys
mnt = sys.argv[1]
for line in sys.stdin:
    print(int(os.path.exists(f"{mnt}/2/file")), int(os.path.exists(f"{mnt}/2_flat")), len(os.listdir(f"{mnt}/2")), flush=True)
END
mkfifo "$WORK/in" "$WORK/out"
run_as 1000 python3 "$WORK/other.py" "$MNT" <"$WORK/in" >"$WORK/out" &
exec 5>"$WORK/in" 6<"$WORK/out"
other() {
	echo >&5
	read -r said <&6
	echo "$said"
}
for _ in {1..20}; do
	expect_eq "0 0 0" "$(other)"
	echo x >"$MNT/2/file" && echo x >"$MNT/2_flat"
	expect_eq "1 1 1" "$(other)"
	release 2
done
expect_eq "0 0 0" "$(other)"
exec 5>&- 6<&-
