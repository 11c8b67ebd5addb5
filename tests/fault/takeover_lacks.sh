#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on
# builds: ci asan
# expect-log: cannot start a worker: error=EAGAIN
#
# No process, or no thread, can be had for the next worker: it is tried for some seconds, in which whoever uses the mount waits. If
# it cannot be had at all, the mount ends: nobody finds a dead one.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/fail.sh"

# The worker dies, and none waits.
die() {
	pkill -9 -P "$guardian" -x batonfs-spare
	kill -9 "$(worker_pid)"
}

for call in worker-fork worker-thread; do
	mount_batonfs -f -o takeover=on
	guardian=$(daemon_pid)
	echo kept >"$MNT/4711/file"

	# For a moment.
	fail_at $call EAGAIN
	die
	wait_until 10 has_failed
	(sleep 0.5 && work_again) &
	expect_eq kept "$(timeout 20 cat "$MNT/4711/file")" "$call: a file"
	expect_eq 1 "$(status 'd["takeovers"]')" "$call: takeovers"

	# For long.
	fail_at $call EAGAIN
	die
	wait_until 40 gone "$guardian"
	wait "$guardian" && fail "$call: exit status 0"
	unset "mount_pid[$MNT]"
	is_mounted && fail "$call: still mounted"
	work_again
done
exit 0
