#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 90
# variants: memory-on
# builds: ci asan
#
# Who asks for an upgrade while there is one, also by a signal, has one of his own, which follows: of the program that is there then.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mkdir "$WORK/bin"
program=$WORK/bin/batonfs
version=$("$BATONFS" --version)
version=${version#batonfs }

# install_program LETTER: one whose version ends so
install_program() {
	sed "s/$version/${version%?}$1/g" "$BATONFS" >"$program.new"
	chmod 755 "$program.new"
	mv "$program.new" "$program"
}

# ask NAME: what it says goes to $WORK/NAME
ask() {
	"$BATON" -m "$MNT" upgrade >"$WORK/$1" 2>&1 &
	asks=$!
}

# serves LETTER UPGRADES
serves() {
	expect_eq "${version%?}$1 $2 0 clean" "$(status '" ".join(str(d[k]) for k in ("version", "upgrades", "takeovers")) + " " + d["ledger"]["state"]')"
}

is_new() {
	tr '\0' ' ' <"/proc/$guardian/cmdline" | grep -q -- --takeover=
}

# So long the program before serves, ns.
export BATONFS_FAULT_WARM=1000000000 BATONFS_FAULT=xpare_begins BATONFS_FAULT_WAIT=$WORK/wait

# begin: one that is served by LETTER a
begin() {
	install_program a
	BATONFS=$program mount_batonfs -f -o takeover=on
	guardian=$(daemon_pid)
	waits() {
		pgrep -P "$guardian" -x batonfs-spare >/dev/null
	}
	wait_until 30 waits
}

checks() {
	pgrep -P "$guardian" -f takeover-check >/dev/null
}

# ---- while the other program is there, and has no worker of its own yet ----

begin
install_program b
sed -i 's/spare_begins/xpare_begins/g' "$program"
ask first
wait_until 30 is_new
install_program c
kill -USR2 "$guardian"
upgraded() {
	[ "$(status 'd["upgrades"]')" = 2 ]
}
wait_until 30 upgraded
wait $asks
expect_eq 0 $? "status of the first: $(cat "$WORK/first")"
serves c 2
unmount_batonfs

# ---- while the first one's program is looked at; also if that is refused ----

begin
refused=1 upgraded=0
for said in upgraded refused; do
	install_program b
	[ $said = upgraded ] || sed -i 's/keep format [0-9],/keep format 9,/g' "$program"
	upgrades=$(status 'd["upgrades"]')
	echo check >"$WORK/wait"
	ask first
	wait_until 30 checks
	install_program c
	kill -USR2 "$guardian"
	rm "$WORK/wait"
	wait $asks
	expect_eq ${!said} $? "status of the first: $(cat "$WORK/first")"
	upgraded() {
		[ "$(status 'd["upgrades"]')" = $((upgrades + 2 - ${!said})) ]
	}
	wait_until 30 upgraded
	serves c $((upgrades + 2 - ${!said}))
done

# ---- the worker dies meanwhile: nobody waits until the other program has been looked at ----

takeovers=$(status 'd["takeovers"]')
upgrades=$(status 'd["upgrades"]')
install_program d
echo check >"$WORK/wait"
ask first
wait_until 30 checks
kill -9 "$(worker_pid)"
timeout 5 stat "$MNT/4711" >"$WORK/out" || fail "no answer within 5 s of the death of a worker"
wait_until 30 checks # anew
rm "$WORK/wait"
wait $asks
expect_eq 0 $? "status of who asked a worker that died: $(cat "$WORK/first")"
expect_eq "${version%?}d $((upgrades + 1)) $((takeovers + 1))" "$(status '" ".join(str(d[k]) for k in ("version", "upgrades", "takeovers"))')"

# ---- many at once ----

pids=()
for i in {1..6}; do
	ask "$i"
	pids+=($asks)
	kill -USR2 "$guardian"
done
for i in "${pids[@]}"; do
	wait "$i"
	expect_eq 0 $? "status of one of many"
done
ends() {
	local before

	before=$(status 'd["upgrades"]')
	sleep 1
	[ "$(status 'd["upgrades"]')" = "$before" ]
}
wait_until 30 ends
expect_eq 1 "$(status 'd["takeovers"]')" "takeovers"
exit 0
