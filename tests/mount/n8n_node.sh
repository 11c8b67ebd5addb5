#!/bin/bash
# SPDX-License-Identifier: MIT
# n8n's custom node: a file handed off has the reference that `baton ref` gives, only its very content is loaded, nothing
# outside of the executions can be reached, and a lock has one holder.
# timeout: 120
# variants: memory-on
# builds: ci asan
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

node_file=$TESTS/../tools/n8n/custom/Baton.node.js
export BATON_MOUNT=$MNT

# baton_node PARAMETERS [FILE]
baton_node() {
	node "$TESTS/mount/n8n_call.cjs" node "$node_file" "$@"
}

field() {
	python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"
}

refused() {
	local why=$1 out
	shift

	out=$(baton_node "$@") && fail "not refused: $*: $out"
	expect_match "$why" "$out"
}

mount_batonfs

# Sizes on both sides of each way to hash.
for size in 0 3 7 16 100 200 1000 3000000; do
	head -c $size /dev/urandom >"$WORK/in"
	ref=$(baton_node '{"operation":"handOff","execution":"4711","fileName":"a/in.bin"}' "$WORK/in") || fail "$ref"
	cmp "$WORK/in" "$MNT/4711/a/in.bin" || fail "$size bytes: written wrongly"
	"$BATON" verify "$ref" >/dev/null || fail "$size bytes: baton does not believe $ref"
	ref=$("$BATON" ref "$MNT/4711/a/in.bin") || fail "baton ref"
	expect_match xxh3 "$ref"
	out=$(baton_node "{\"operation\":\"load\",\"reference\":$ref,\"binaryProperty\":\"data\"}" "$WORK/in") || fail "$out"
	cmp "$WORK/in" "$WORK/in.out" || fail "$size bytes: loaded wrongly"
done

# Changed, of another size, without a hash.
printf X | dd of="$MNT/4711/a/in.bin" bs=1 seek=2999999 conv=notrunc status=none
refused "has changed" "{\"operation\":\"load\",\"reference\":$ref}" "$WORK/in"
: >>"$MNT/4711/a/in.bin"
refused "the reference says 5" "{\"operation\":\"load\",\"reference\":{\"path\":\"$MNT/4711/a/in.bin\",\"size\":5}}" "$WORK/in"

# Not ours.
mkdir -p "$MNT/n8n/x" && echo secret >"$MNT/n8n/x/y"
ln -s /etc/hostname "$MNT/4711/link"
ln -s /etc "$MNT/4711/etc"
for path in /etc/hostname "$MNT/../../../../etc/hostname" "$MNT/4711/etc/hostname" "$MNT/n8n/x/y" "$MNT/.baton/version"; do
	refused "is no file of an execution" "{\"operation\":\"load\",\"reference\":{\"path\":\"$path\",\"size\":1}}" "$WORK/in"
done
refused ELOOP "{\"operation\":\"load\",\"reference\":{\"path\":\"$MNT/4711/link\",\"size\":1}}" "$WORK/in"
refused "not a name below" '{"operation":"handOff","execution":"4711","fileName":"../4712/x"}' "$WORK/in"
refused "ENOTDIR|ELOOP" '{"operation":"handOff","execution":"4711","fileName":"etc/batonfs-test"}' "$WORK/in"
refused "ELOOP" '{"operation":"handOff","execution":"4711","fileName":"link"}' "$WORK/in"
[ ! -e /etc/batonfs-test ] || fail "written outside"
refused "not the ID" '{"operation":"handOff","execution":"..","fileName":"x"}' "$WORK/in"

# Pin, release.
expect_eq True "$(baton_node '{"operation":"pin","execution":"4711","pinned":true}' | field pinned)"
expect_eq 1 "$(shown 4711 pinned)"
expect_eq True "$(baton_node '{"operation":"release","execution":"4711"}' | field released)"
expect_eq False "$(baton_node '{"operation":"release","execution":"4711"}' | field released)"
refused "has no files" '{"operation":"pin","execution":"4711","pinned":true}'

# Eight at once: one gets it. Only its token opens it, and then the next may have it.
take='{"operation":"lock","lockName":"order","lockTtl":"1h"}'
for n in 1 2 3 4 5 6 7 8; do
	baton_node "$take" >"$WORK/lock$n" &
done
wait $(jobs -p | grep -vx "$(daemon_pid)") || fail "a lock failed"
expect_eq 1 "$(grep -l '"locked":true' "$WORK"/lock? | wc -l)" "holders"
expect_eq 3600 "$(shown lock-order ttl)"
token=$(cat "$(grep -l '"locked":true' "$WORK"/lock?)" | field token)
refused "is held" '{"operation":"lock","lockName":"order","lockTtl":"1h","whenHeld":"fail"}'
expect_match "somebody else" "$(baton_node '{"operation":"unlock","lockName":"order","token":"x"}')"
expect_match '"unlocked":true' "$(baton_node "{\"operation\":\"unlock\",\"lockName\":\"order\",\"token\":\"$token\"}")"
[ ! -e "$MNT/lock-order" ] || fail "the lock's directory is left"
refused "no time to live" '{"operation":"lock","lockName":"order","lockTtl":"soon"}'
expect_match '"locked":true' "$(baton_node '{"operation":"lock","lockName":"order","lockTtl":"0.5s"}')"
wait_until 20 test ! -e "$MNT/lock-order"
expect_match '"locked":true' "$(baton_node "$take")"
