#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on ext4-off
# builds: ci
# A crowd that takes what it can get: processes fork and open until none of them may open more, and never close; all
# names go under those who have the files mapped. Others go on meanwhile, nothing that is open expires, each byte is what
# it was, also after the worker was killed, and with the last of the crowd all is given back.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

cat >"$WORK/crowd.py" <<'END'
import errno, mmap, os, resource, sys
top, what = sys.argv[1:]
here = []

def fill():
    """Opens until no more are given: files of one's own, and the same one again."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
    try:
        while True:
            own = f"{top}/{os.getpid()}.{len(here)}" if len(here) % 4 == 0 else f"{top}/same"
            here.append(os.open(own, os.O_CREAT | os.O_RDWR, 0o666))
            if own != f"{top}/same":
                os.write(here[-1], own.encode())
    except OSError as e:
        if e.errno not in (errno.EMFILE, errno.ENFILE):
            raise

def take():
    if what == "opens":
        fill()
        return
    for i in range(25):
        with open(f"{top}/{os.getpid()}.{i}", "w+b") as f:
            f.write(b"%d" % i * 5000)
            f.flush()
            here.append(mmap.mmap(f.fileno(), 0))

def check():
    """Each is whole; and can be written to."""
    if what == "opens":
        for i, fd in enumerate(here):
            if i % 4 == 0 and os.pread(fd, 999, 0) != f"{top}/{os.getpid()}.{i}".encode():
                sys.exit(f"{i} has other content: {os.pread(fd, 999, 0)}")
        return
    for i, m in enumerate(here):
        if m[:] != b"%d" % i * 5000:
            sys.exit(f"mapping {i} has other content")
        m[:] = m[::-1]
        if m[:] != (b"%d" % i * 5000)[::-1]:
            sys.exit(f"mapping {i} was not written to")

ends, children = [], []
for n in range(20):
    command, answer = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        for fd in ends + [command[1], answer[0]]:
            os.close(fd)
        take()
        os.write(answer[1], len(here).to_bytes(4, "big"))
        if os.read(command[0], 1):
            check()
            os.write(answer[1], b"well")
            os.read(command[0], 1)
        os._exit(0)
    os.close(command[0])
    os.close(answer[1])
    ends += [command[1], answer[0]]
    children.append((command[1], answer[0]))
print(sum(int.from_bytes(os.read(answer, 4), "big") for _, answer in children), flush=True)
sys.stdin.readline()
for command, answer in children:
    os.write(command, b"x")
    if os.read(answer, 4) != b"well":
        sys.exit("one of them failed")
print("well", flush=True)
sys.stdin.readline()
END

# crowd WHAT: it comes; has: what it took. Then what it is told.
crowd() {
	coproc run_as 1000 python3 "$WORK/crowd.py" "$MNT/1" "$1"
	read -r -u "${COPROC[0]}" has || fail "$1: nothing was taken"
}
it_is_well() {
	local said

	echo >&"${COPROC[1]}"
	read -r -u "${COPROC[0]}" said
	expect_eq well "$said" "$1"
}
it_goes() {
	local pid=$COPROC_PID

	eval "exec ${COPROC[1]}>&-"
	wait "$pid" || fail "the crowd: exit $?"
	wait_until 20 all_closed
}
all_closed() {
	[ "$(status 'd["open"]')" = 0 ]
}

others_go_on() {
	mkdir "$MNT/3/dir" && mv "$MNT/3/dir" "$MNT/3/moved" && rmdir "$MNT/3/moved" && ls -l "$MNT/1" &&
		cat "$MNT/.baton/status.json" && "$BATON" -m "$MNT" ls
}

descriptors() {
	find "/proc/$(daemon_pid)/fd" -type l | wc -l
}

# What is given back: what had to be kept is, once nobody knows it any more.
given_back() {
	echo 2 >/proc/sys/vm/drop_caches
	[ "$(descriptors)" -le $((before + 16)) ] && [ "$(status 'd["inodes_known"]')" -lt 20 ]
}

next_worker() {
	[ "$takeover" = on ] || return 0
	expect kill -KILL "$(status 'd["worker"]')"
	expect test -e "$MNT/.baton/version"
}

for takeover in on off; do
	mount_batonfs -o "takeover=$takeover,ttl=1s"
	before=$(descriptors)

	echo x >"$MNT/9/idle"
	crowd opens
	[ "$has" -ge 400 ] || fail "only $has opened"
	expect others_go_on >"$WORK/out"
	next_worker
	wait_until 20 is_over 9
	is_real 1 || fail "expired while it was open"
	expect others_go_on >"$WORK/out"
	it_is_well "opens"
	it_goes
	wait_until 20 is_over 1
	wait_until 20 given_back

	crowd maps
	expect_eq 500 "$has" "mapped"
	expect rm -r "$MNT/1"/*
	for i in {1..50}; do
		echo "another one" >"$MNT/1/$i"
	done
	next_worker
	it_is_well "mappings of what has no name"
	expect release 1
	it_goes
	wait_until 20 given_back
	expect unmount_batonfs
done
