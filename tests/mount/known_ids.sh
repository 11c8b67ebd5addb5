#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
# Whoever uses a directory that is shown but not there, keeps it whatever others look up meanwhile: his working directory has
# its name, what is mounted there stays, also after a takeover. And when nobody uses them any more they are not known for
# ever, nor if they were looked up again meanwhile.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
own_namespace

# From Linux 6.18 on the kernel leaves alone what is in use.
IFS=. read -r major minor _ < <(uname -r)
[ $((major * 1000 + ${minor%%[!0-9]*})) -ge 6018 ] || skip "this kernel cannot drop only what is unused"

next=20000000
# others N: so many new IDs.
others() {
	(cd / && expect python3 -c 'import os, sys
for i in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
    os.stat(f"{sys.argv[1]}/{i}")' "$MNT" $next "$1") || exit 1
	next=$((next + $1))
}

in_use() {
	expect_eq "$MNT/5000" "$(readlink /proc/$$/cwd)" "the working directory"
	grep -q " $MNT/5001 tmpfs " /proc/self/mounts || fail "what was mounted upon an ID is gone"
	expect_eq "there" "$(cat "$MNT/5001/file")"
}

# As many as KNOWN_IDS_MAX, and those of this moment.
few_known() {
	[ "$(cd / && status 'd["inodes_known"]')" -le 2100 ]
}

mount_batonfs -o takeover=on
cd "$MNT/5000" || fail cd
expect mount -t tmpfs none "$MNT/5001"
echo there >"$MNT/5001/file"
others 4500
in_use
(wait_until 20 few_known) >/dev/null || fail "known: $(cd / && status 'd["inodes_known"]')"

# The next process knows of them.
worker=$(cd / && status 'd["worker"]')
kill -9 "$worker"
wait_until 20 gone "$worker"
others 4500
in_use

# Held by somebody who looks them up again, and lets them go.
(cd / && expect python3 -c 'import os, sys
top, first = sys.argv[1], int(sys.argv[2])
own = range(first, first + 900)
held = [os.open(f"{top}/{i}", os.O_RDONLY | os.O_DIRECTORY) for i in own]
for i in range(first + 900, first + 3900):
    os.stat(f"{top}/{i}")
for i in own:
    os.stat(f"{top}/{i}")
for fd in held:
    os.close(fd)' "$MNT" 30000000) || exit 1
others 4500
in_use
(wait_until 20 few_known) >/dev/null || fail "known of what was held: $(cd / && status 'd["inodes_known"]')"

# And it is a directory as before.
[ ! -e missing ] || fail "missing"
expect umount "$MNT/5001"
echo x >file && expect_eq x "$(cat "$MNT/5000/file")"
cd / || fail cd
expect unmount_batonfs
