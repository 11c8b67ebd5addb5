#!/bin/bash
# SPDX-License-Identifier: MIT
# Everything at once in a few executions, by threads and processes: no error without a reason, no crash, no
# hang; afterwards all can be released, nothing is left, and the daemon forgets what the kernel has forgotten.
# SECONDS_OF_STRESS=600 tests/run --patience 20 for a long one.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs
before=$(status 'd["inodes_known"]')

expect stress "$MNT" "${SECONDS_OF_STRESS:-8}"

stress_leaves ""
expect_eq '{"executions":[]}' "$(tr -d ' ' <"$MNT/.baton/executions.json")"
expect_eq "0 0" "$(status 'd["files"]') $(status 'd["bytes"]')"

back() {
	echo 2 >/proc/sys/vm/drop_caches
	[ "$(status 'd["inodes_known"]')" -le "$before" ]
}
wait_until 20 back

# And it still works.
echo x >"$MNT/1/x" || fail "write"
expect_eq x "$(cat "$MNT/1/x")"
