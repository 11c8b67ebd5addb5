#!/bin/bash
# SPDX-License-Identifier: MIT
# n8n's hook file: an execution that has ended is released, one that sleeps is pinned, a pin of somebody else's keeps
# the files, and whatever goes wrong goes wrong in silence and in time.
# timeout: 120
# variants: memory-on
# builds: ci asan
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

hooks=$TESTS/../tools/n8n/hooks.js
export BATON_MOUNT=$MNT

call() {
	node "$TESTS/mount/n8n_call.cjs" "$@" 2>"$WORK/warnings" || fail "$*: $(cat "$WORK/warnings")"
}

post_execute() {
	call hook "$hooks" "$@" >"$WORK/answer" || exit 1
}

quiet() {
	[ ! -s "$WORK/warnings" ] || fail "it said: $(cat "$WORK/warnings")"
}

mount_batonfs

# Ended, in each way; a second time; never here; no ID.
for status in success error crashed canceled none; do
	echo x >"$MNT/4711/input.bin" || fail "cannot write"
	echo x >"$MNT/4711_flat.bin" || fail "cannot write"
	post_execute $status 4711
	[ ! -e "$MNT/4711/input.bin" ] && [ ! -e "$MNT/4711_flat.bin" ] || fail "$status: still there"
	expect_eq released "$(why 4711 'r["reason"]')"
	quiet
done
for id in 4711 4712 __UNKNOWN__ .. '' ../../x; do
	post_execute success "$id"
	quiet
done
[ -e "$MNT/.baton/version" ] || fail "the mount is gone"

# n8n's own data of an execution is n8n's.
mkdir -p "$MNT/n8n/workflows/w/executions/4716/binary_data" && echo x >"$MNT/n8n/workflows/w/executions/4716/binary_data/y"
for status in waiting success; do
	post_execute $status 4716
	quiet
done
[ -e "$MNT/n8n/workflows/w/executions/4716/binary_data/y" ] || fail "n8n's data is gone"

# Asleep: pinned. On with it, asleep again, ended.
echo x >"$MNT/4713/input.bin"
for status in waiting waiting; do
	post_execute $status 4713
	expect_eq 1 "$(shown 4713 pinned)"
	expect_eq 2592000.001 "$(shown 4713 ttl)"
done
post_execute success 4713
[ ! -e "$MNT/4713/input.bin" ] || fail "4713 is still there"
post_execute waiting 4714 # has no files
is_over 4714 || fail "4714 was made"

# Somebody else's pin, before and through a sleep.
echo x >"$MNT/4715/input.bin"
"$BATON" -m "$MNT" pin 4715 || fail "cannot pin"
for status in waiting success; do
	post_execute $status 4715
	[ -e "$MNT/4715/input.bin" ] || fail "a pinned one was released"
done
quiet

# Pins of ours that n8n has forgotten.
for id in 4721 4722 4723; do
	echo x >"$MNT/$id/input.bin"
	post_execute waiting $id
done
call sweep "$hooks" 4721=waiting 4722=crashed >/dev/null
quiet
expect_eq "1 0 0" "$(shown 4721 pinned) $(shown 4722 pinned) $(shown 4723 pinned)"
expect_eq "3600 1" "$(shown 4722 ttl) $(shown 4715 pinned)"

# The daemon stands still: one second, and n8n goes on.
stop_batonfs
BATON_HOOK_TIMEOUT_MS=300 timeout 30 node "$TESTS/mount/n8n_call.cjs" hook "$hooks" success 4721 >"$WORK/answer_late" 2>"$WORK/warnings" &
wait_until 20 test -s "$WORK/answer_late"
continue_batonfs
wait $! || fail "the hook threw"
expect_match "no answer within 300 ms" "$(cat "$WORK/warnings")"

# Nothing mounted: said once, and nothing is made.
unmount_batonfs
post_execute success 4711
quiet
call sweep "$hooks" >/dev/null
expect_match "no batonfs answers at $MNT" "$(cat "$WORK/warnings")"
expect_eq "" "$(ls -A "$MNT")"
