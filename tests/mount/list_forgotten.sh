#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel keeps listings. What goes without a client's doing leaves them, too, when the kernel has forgotten the
# names themselves.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

# Names are forgotten, the listing of a directory that somebody has open is not.
forget() {
	sync
	echo 2 >/proc/sys/vm/drop_caches
}

listed() {
	ls -A "$1" | tr '\n' ' '
}

mount_batonfs -o ttl=1h

echo x >"$MNT/1/x" && echo x >"$MNT/1_flat" && mkdir "$MNT/job" && echo x >"$MNT/job/j"
exec 6<"$MNT"
expect_eq "1 1_flat job " "$(listed "$MNT")"
expect_eq "1 1_flat job " "$(listed "$MNT")"
forget
release 1
release job
expect_eq "" "$(listed "$MNT")" "the root after a release"
exec 6<&-

# One file of several.
mkdir "$MNT/2/d" && echo x >"$MNT/2/d/stays" && echo x >"$MNT/2/d/goes"
exec 5<"$MNT/2/d"
expect_eq "goes stays " "$(listed "$MNT/2/d")"
expect_eq "goes stays " "$(listed "$MNT/2/d")"
expect setfattr -n user.baton.ttl -v 0.5 "$MNT/2/d/goes"
forget
expired() {
	[ "$(shown 2 files)" = 1 ]
}
wait_until 20 expired
is_unlisted() { # the kernel hears of it a moment after it is counted
	[ "$(listed "$MNT/2/d")" = "stays " ]
}
wait_until 20 is_unlisted
exec 5<&-
