#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-on
# Limits without limit=strict: files are counted exactly; bytes when a file is opened for writing, and in all that the
# kernel asks about. Contents go on in passthrough.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o exec_bytes=1M,exec_files=3,takeover=on

before=$(status 'd["opens"]["daemon"]')
head -c 2M /dev/zero >"$MNT/1/a" || fail "the first file is not looked at while it is written"
expect_sums 1 1 2097152
[ "$OPTS" ] || expect_eq "$before" "$(status 'd["opens"]["daemon"]')" "opens by the daemon"
expect_errno EDQUOT touch "$MNT/1/b"
expect_fail sh -c "echo more >>$MNT/1/a" 2>/dev/null
expect_errno EDQUOT truncate -s 3M "$MNT/1/a"
expect_eq 2097152 "$(stat -c %s "$MNT/1/a")"
cat "$MNT/1/a" >/dev/null || fail "reading"
expect_match "2.00 MiB of 1.00 MiB" "$("$BATON" -m "$MNT" stat 1)"
echo small >"$MNT/1/a" || fail "made smaller by that, it may be opened"
expect_sums 1 1 6
touch "$MNT/1/b" "$MNT/1/c"
expect_errno EDQUOT touch "$MNT/1/d"
expect_errno EDQUOT truncate -s 1048576 "$MNT/1/b"
expect truncate -s 1048569 "$MNT/1/b"
rm "$MNT/1/c"
expect touch "$MNT/1/d"
touch "$MNT/2/x"
expect_errno EDQUOT mv "$MNT/2/x" "$MNT/1/x"

# n8n's own data, each execution for itself; and flat files.
data="$MNT/n8n/workflows/w/executions/7/binary_data"
mkdir -p "$data" && touch "$data/1" "$data/2" "$data/3"
expect_errno EDQUOT touch "$data/4"
touch "$MNT/8_a" "$MNT/8_b" "$MNT/8_c"
expect_errno EDQUOT touch "$MNT/8_d"
for i in 1 2 3 4 5; do
	touch "$MNT/other$i" || fail "_ has a limit"
done

# Two sparse files have more bytes than an int64_t can tell. Memory takes them; a disk does not.
sparse() {
	python3 - "$1"/{1,2} <<'END'
import os, sys
fds = [os.open(name, os.O_CREAT | os.O_WRONLY) for name in sys.argv[1:]]
for fd in fds:
    os.pwrite(fd, b"x", 2**63 - 8192)
    os.close(fd)
END
}
if [ "$STORE_KIND" = memory ]; then
	expect sparse "$MNT/9"
	expect_sums 9 2 9223372036854775807
	expect_errno EDQUOT touch "$MNT/9/3"
	# From the rows, as after a kill.
	kill -KILL "$(worker_pid)"
	expect_sums 9 2 9223372036854775807
	expect_errno EDQUOT touch "$MNT/9/3"
	rm "$MNT/9/1"
	expect_sums 9 1 9223372036854767617
	rm "$MNT/9/2"
	expect touch "$MNT/9/3"
	expect_sums 9 1 0
fi
