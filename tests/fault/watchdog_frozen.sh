#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: ext4-on
# builds: ci
# waits
#
# The store's filesystem is frozen, and all threads write to it: that is no silence. The process is not killed, the log is told
# why, and whoever waits gets his answer when it is thawed; also when somebody has killed it meanwhile, which it cannot die of.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"
. "$TESTS/lib/small.sh"
. "$TESTS/lib/freeze.sh"
trap 'thaw; mount_cleanup' EXIT

log=$WORK/daemon.log
hangs="the store does not answer: .* frozen"

# said REGEX: in the log, by now
said() {
	grep -qE "$1" "$log"
}

small_store 64
mount_batonfs -o takeover=on,watchdog=1s,threads=2
mkdir -p "$MNT"/{1,2,3}
touch "$MNT"/{1,2,3}/known
worker=$(status 'd["worker"]')

freeze "$STORE"
writers=()
for id in 1 2 3; do
	echo "$id" >"$MNT/$id/new" &
	writers+=($!)
done
wait_until 20 said "no request has been answered for 1000 ms pid=$worker: $hangs"
wait_until 20 said "thread tid=[0-9]+ name=reader state=D .*request=CREATE "
kill -9 "$worker"
wait_until 20 said "worker was killed and cannot end pid=$worker: $hangs"
thaw
expect wait "${writers[@]}"
expect_eq "1 2 3" "$(cat "$MNT"/{1,2,3}/new | xargs)"
expect_eq "0 1" "$(status 'd["hung"], d["takeovers"]' | tr -d '(),')" "hung, takeovers"
wait_until 20 said "worker died pid=$worker signal=9"
wait_until 20 said "requests are answered again"
wait_until 20 test ! -e "$WORK/frozen"
