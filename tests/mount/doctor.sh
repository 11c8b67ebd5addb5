#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
#
# baton doctor, before the first mount and after it, and where something is missing: what is not well says what that
# costs and what cures it, and only what is essential makes it fail.
. "$TESTS/lib/mount.sh"
own_namespace "$@"

# level CHECK [ARGUMENT...]: what doctor says of it.
level() {
	local check=$1
	shift
	"$BATON" --json doctor "$@" >"$WORK/doctor.json"
	python3 - "$check" "$WORK/doctor.json" <<'PYTHON'
import json, sys
answer = json.load(open(sys.argv[2]))
for c in answer["checks"]:
    assert c["level"] in ("ok", "warn", "fail") and c["found"], c
    assert c["level"] == "ok" or c["costs"] and c["cure"], c
assert answer["ok"] == all(c["level"] != "fail" for c in answer["checks"])
print(" ".join(sorted({c["level"] for c in answer["checks"] if c["check"] == sys.argv[1]})) or "none")
PYTHON
}

export BATON_MOUNT=
expect "$BATON" doctor "$WORK" >"$WORK/text"
for check in /dev/fuse kernel io_uring CAP_SYS_ADMIN namespaces propagation 'huge pages' memory 'open files' store attributes leases room mount; do
	grep -qE "^(ok  |warn)  $check " "$WORK/text" || fail "nothing of $check: $(cat "$WORK/text")"
done
for check in store leases attributes mount; do
	expect_eq ok "$(level "$check" "$WORK")" "$check"
done
expect_eq "" "$(ls -A "$WORK" | grep -v -e doctor.json -e text)" "left behind"

# What others may not ask is no fault, and no reason to fail.
chmod 755 "$WORK"
expect_eq ok "$(cd / && run_as 1000 "$BATON" --json doctor / | python3 -c 'import json, sys
print({c["check"]: c["level"] for c in json.load(sys.stdin)["checks"]}["leases"])')" "leases for others"

expect mount --make-rprivate /
expect_eq warn "$(level propagation)" "propagation, private"
expect mount --make-rshared /
expect_eq ok "$(level propagation)" "propagation, shared"
expect mount --make-rprivate /

mkdir "$WORK/low" "$WORK/over" "$WORK/few"
expect mount -t overlay -o "lowerdir=$WORK/low:$TESTS" none "$WORK/over"
expect_eq warn "$(level store "$WORK/over")" "overlay"
expect umount "$WORK/over"
expect mount -t tmpfs -o nr_inodes=100 none "$WORK/few"
expect_eq warn "$(level room "$WORK/few")" "few inodes"
expect umount "$WORK/few"
expect_eq warn "$(level store "$WORK/none")" "no directory"

# Without the device nothing can be mounted; but a mount that is there is enough.
expect mount -t tmpfs none /dev
: >/dev/null
expect_fail "$BATON" doctor >"$WORK/text"
grep -q '^fail  /dev/fuse ' "$WORK/text" || fail "no /dev/fuse, and: $(cat "$WORK/text")"
grep -A2 '^fail  /dev/fuse ' "$WORK/text" | grep -q 'cure: ' || fail "no cure"
expect umount /dev
mount_batonfs
expect_eq ok "$(level mount)" "mount"
expect mount -t tmpfs none /dev
: >/dev/null
expect_eq warn "$(level /dev/fuse)" "no device, but a mount"
expect umount /dev

# A daemon that stands still is told of, and nobody waits for it for ever; on a terminal, other commands say for whom.
stop_batonfs
"$BATON" doctor >"$WORK/text" &
script -qec "echo \$\$ >'$WORK/pid'; exec '$BATON' ls" /dev/null >"$WORK/screen" </dev/null &
wait_until 20 grep -q "waiting for $MNT to answer: 1 s" "$WORK/screen"
kill -9 "$(cat "$WORK/pid")"
wait %1
expect_eq 1 $? "exit status of doctor"
continue_batonfs
grep -q "^fail  mount  *$MNT: the daemon does not answer" "$WORK/text" || fail "a daemon that stands still, and: $(cat "$WORK/text")"
