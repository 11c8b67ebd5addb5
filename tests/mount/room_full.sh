#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on memory-off tmpfs-on ext4-on xfs-on
# A store that is full is so for who writes to it, and for nobody else: files are read, listed, released and removed,
# .baton answers, the ledger goes on in memory and catches up, and it can be unmounted and mounted again.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/small.sh"

small_store "$([ "$STORE_KIND" = xfs ] && echo 320 || echo 48)"
mount_batonfs -o ttl=never

# fill: until nothing fits. The daemon writes as root and may use what is kept for it.
fill() {
	head -c 1G /dev/zero >"$MNT/100/fill" 2>"$WORK/fill.err" && fail "1 GiB fits"
	grep -q "No space left" "$WORK/fill.err" || fail "$(cat "$WORK/fill.err")"
	head -c 1M /dev/zero >"$MNT/100/rest" 2>/dev/null && fail "there was 1 MiB left"
	return 0
}

content=$(head -c 200000 /dev/zero | tr '\0' r | sha256sum)
look_around() {
	expect_eq "$content" "$(sha256sum <"$MNT/1/data")" "what is read"
	ls -laR "$MNT" >/dev/null || fail "ls"
	[ "$(stat -c %s "$MNT/1/data")" = 200000 ] || fail "stat"
	expect_sums 1 1 200000
	expect_match '"executions":' "$(cat "$MNT/.baton/status.json")"
	expect_eq 4711 "$(exec_of "$MNT/4711")" "a virtual directory"
	expect_match "is alive" "$("$BATON" -m "$MNT" why 1)"
	"$BATON" -m "$MNT" stat 1 >/dev/null || fail "baton stat"
	df "$MNT" >/dev/null || fail "df"
}

mkdir -p "$MNT/dir"
head -c 200000 /dev/zero | tr '\0' r >"$MNT/1/data"
for i in 2 3 4 5; do
	echo $i >"$MNT/$i/data"
done
expect_sums 1 1 200000
exec 5<"$MNT/1/data"
fill
look_around
expect_eq "$content" "$(sha256sum <&5)" "what is open"
exec 5<&-
expect_errno ENOSPC fallocate -l 1G "$MNT/100/rest"
look_around

# The ledger has no room for all of this, nor has its queue: nobody waits for either.
many() {
	python3 - "$MNT" <<'END'
import errno, os, sys
for i in range(8000):
    path = f"{sys.argv[1]}/{100000 + i}_f"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os.unlink(path)
    except OSError as e:
        if e.errno != errno.ENOSPC:
            raise
END
}
expect many

# What is not needed goes.
release 2
is_over 2 || fail "2 is not released"
[ ! -e "$MNT/2/data" ] || fail "2's file is there"
expect rm "$MNT/3/data"
wait_until 20 is_over 3
echo 1h >"$MNT/.baton/executions/4/ttl" # a mark needs no block
expect_eq 3600 "$(shown 4 ttl)"

# Down and up again, full as it is.
if [ "$STORE_KIND" != memory ]; then
	fill
	unmount_batonfs
	mount_batonfs -o ttl=never
	look_around
	expect_eq 3600 "$(shown 4 ttl)"
	fill
	kill_batonfs
	mount_batonfs -o ttl=never
	look_around
	expect_eq 3600 "$(shown 4 ttl)"
	fill
	expect many
fi

# Room comes back: all of it is in the ledger again.
lost=$(status 'd["ledger"]["lost"]')
[ "$STORE_KIND" != memory ] || [ "$lost" -gt 0 ] || fail "nothing was lost: this tests nothing"
release 100
wait_until 20 write_file "$MNT/7/data" 4
ledger_is_well() {
	[ "$(status 'd["ledger"]["error"]')" = "" ] && [ "$(status 'd["trash"]')" = 0 ]
}
is_rebuilt() {
	grep -E "ledger cannot be written|reconciled the ledger" "$WORK/daemon.log" | tail -n 1 | grep -q reconciled &&
		grep -q '"ready": *true' "$MNT/.baton/sharing.json"
}
wait_until 20 ledger_is_well
lost=$(status 'd["ledger"]["lost"]') # some perhaps only now
[ "$lost" = 0 ] || wait_until 20 is_rebuilt
release 5
expect_eq released "$(why 5 'r["reason"]')"
expect_sums 7 1 4194304
expect_sums 1 1 200000
look_around
if [ "$STORE_KIND" != memory ]; then
	unmount_batonfs
	mount_batonfs -o ttl=never
	expect_eq clean "$(status 'd["ledger"]["state"]')"
	expect_sums 7 1 4194304
	expect_sums 1 1 200000
fi
