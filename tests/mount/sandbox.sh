#!/bin/bash
# SPDX-License-Identifier: MIT
# What each thread of the daemon gives up once it is mounted: capabilities but those that are needed, the chance to get
# others, system calls; nothing with sandbox=off. The other tests show that nothing is missed.
# variants: memory-on ext4-off
# builds: ci
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# threads FIELD [PID]: its value in each status of the threads of the process that serves, each value once.
threads() {
	sed -n "s/^$1:[[:space:]]*//p" /proc/"${2:-$(status 'd["worker"]')}"/task/*/status | sort -u | paste -sd' '
}

# In the order of their numbers: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, LINUX_IMMUTABLE,
# SYS_CHROOT, SYS_ADMIN, SYS_NICE, SYS_RESOURCE, MKNOD, LEASE, SETFCAP.
needed=0
for number in 0 1 2 3 4 6 7 9 18 21 23 24 27 28 31; do
	needed=$((needed | 1 << number))
done

# is_subset SET: of what is needed.
is_subset() {
	[ $((16#$1 & ~needed)) = 0 ]
}

mount_batonfs
echo x >"$MNT/4711/file"
for pid in $(daemon_pids); do
	for set in CapEff CapPrm CapBnd; do
		for value in $(threads $set "$pid"); do
			expect is_subset "$value"
		done
	done
	expect_eq "0000000000000000 0000000000000000" "$(threads CapInh "$pid") $(threads CapAmb "$pid")"
	expect_eq 1 "$(threads NoNewPrivs "$pid")" "no_new_privs"
done
expect_eq 2 "$(threads Seccomp)" "filters"
expect unmount_batonfs

mount_batonfs -o sandbox=off
expect_eq "0 0" "$(threads NoNewPrivs) $(threads Seccomp)"
expect_match "$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)" "$(threads CapEff)" "capabilities"
echo y >"$MNT/4712/file"
expect unmount_batonfs
