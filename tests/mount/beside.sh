#!/bin/bash
# SPDX-License-Identifier: MIT
# While one client asks in quick succession its requests are served on its own CPU, by a thread of idle policy. On a
# machine that others keep busy they go on all the same; and when nothing is asked any more, the thread is as it was.
# variants: memory-on
# builds: ci asan
. "$TESTS/lib/mount.sh"

# Of all threads, of the worker, too: the CPUs that they may use.
cpus() {
	local pid

	for pid in $(daemon_pid) $(cat "/proc/$(daemon_pid)/task/$(daemon_pid)/children"); do
		sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$pid"/task/*/status
	done | sort -u
}

as_before() {
	[ "$(cpus)" = "$before" ]
}

work() {
	python3 - "$MNT/4711" <<-'EOF'
		import os, sys
		os.makedirs(sys.argv[1], exist_ok=True)
		for i in range(500):
		    name = f"{sys.argv[1]}/{i}"
		    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
		    os.stat(name)
		    os.unlink(name)
	EOF
}

mount_batonfs
before=$(cpus)
expect work
wait_until 60 as_before

loops=()
for ((i = 0; i < 4; i++)); do
	while [ -d /proc/$$ ]; do :; done &
	loops+=($!)
done
expect work
wait_until 60 as_before
kill "${loops[@]}"
wait "${loops[@]}" 2>/dev/null
wait_until 10 fusermount3 -u "$MNT"
