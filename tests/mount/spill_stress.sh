#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: memory-on memory-off
# Files come to share blobs, blobs and files go to the disk and come back, while many are at them: whoever reads, and
# however long he has had it open or mapped, reads what was written.
# SECONDS_OF_STRESS=600 tests/run --patience 10 for a long one; STRESS_OPTIONS=dedup=owner has more
# options.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mkdir "$WORK/spill"

# Sanitized builds do as is done by default, others what the daemon is at while writers are not in passthrough.
[ "$SANITIZER$OPTS" ] || : "${STRESS_OPTIONS:=limit=strict,exec_bytes=1G}"

# Always too full. What is pinned does not go.
STORE=memory:128M
mount_batonfs -o "spill=$WORK/spill,high=5%,low=2%,dedup_min=64K,takeover=${TAKEOVER:-off}${STRESS_OPTIONS:+,$STRESS_OPTIONS}"
for id in 100 101 102; do
	mkdir -p "$MNT/$id"
	: >"$MNT/$id/mark"
	echo 1 >"$MNT/.baton/executions/$id/pinned"
done
expect stub_stress run "$MNT" "${SECONDS_OF_STRESS:-4}" 120
[ "$(status 'd["spill"]["moved"]')" -gt 5 ] || fail "$(status 'd["spill"]')"
for id in 100 101 102; do
	rm "$MNT/$id/mark"
	expect stub_stress check "$MNT/$id"
	release $id
done
no_blobs() {
	[ -z "$(ls "/proc/$(daemon_pid)/root/run/batonfs/blobs")" ] && [ -z "$(ls "$WORK/spill/blobs")" ]
}
wait_until 20 no_blobs
expect_eq "0 0" "$(status 'd["files"]') $(status 'd["bytes"]')"
expect_eq "0 0" "$(status 'd["spill"]["contents"]') $(status 'd["spill"]["bytes"]')"
