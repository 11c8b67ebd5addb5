#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# Files come to share blobs and cease to while many are at them: whoever reads, and however long he has had it open or
# mapped, reads what was written. SECONDS_OF_STRESS=600 tests/run --patience 10 for a long one; STRESS_OPTIONS=dedup=owner
# has more options.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# The blobs there are; those of a memory store in the daemon's namespace.
blobs() {
	if [ "$STORE_KIND" = memory ]; then
		ls "/proc/$(daemon_pid)/root/run/batonfs/blobs"
	else
		ls "$STORE/blobs"
	fi
}

# Whether sharing has happened; not while everybody is at everything.
has_blobs() {
	[ -n "$(blobs)" ]
}

mount_batonfs -o "dedup_min=64K${STRESS_OPTIONS:+,$STRESS_OPTIONS}"
expect stub_stress run "$MNT" "${SECONDS_OF_STRESS:-6}"
wait_until 20 has_blobs
expect stub_stress check "$MNT/100"
expect stub_stress check "$MNT/101"
expect stub_stress check "$MNT/102"

for id in 100 101 102; do
	release $id
done
no_blobs() {
	[ -z "$(blobs)" ]
}
wait_until 20 no_blobs
expect_eq "0 0" "$(status 'd["files"]') $(status 'd["bytes"]')"
