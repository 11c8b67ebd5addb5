#!/bin/bash
# SPDX-License-Identifier: MIT
# A file may be removed while its attributes are being asked for, a moment after its last close; then nobody keeps
# it: no descriptor of it is left in the daemon, and its space comes back.
# variants: memory-on ext4-on
. "$TESTS/lib/mount.sh"

# Close to unlink: the delays around that after which attributes are asked for. Between two rounds it is calm for
# longer than the daemon waits at most.
remove_soon() {
	python3 - "$MNT/4711/x" <<-'END'
		import os, sys, time
		for i in range(400):
		    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
		    os.write(fd, b"x" * 4096)
		    os.close(fd)
		    end = time.perf_counter_ns() + 100_000 + i % 50 * 2_000
		    while time.perf_counter_ns() < end:
		        pass
		    os.unlink(sys.argv[1])
		    time.sleep(0.012)
	END
}

kept() {
	find "/proc/${mount_pid[$MNT]}/fd" -lname '*/4711/x (deleted)' | wc -l
}

none_kept() {
	[ "$(kept)" = 0 ]
}

mount_batonfs
mkdir -p "$MNT/4711"
expect remove_soon
wait_until 30 none_kept
