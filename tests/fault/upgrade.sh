# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# timeout: 90
# variants: memory-on ext4-off
# builds: ci asan
#
# An upgrade: another program takes the mount over, and whoever uses it sees nothing of that. A program that could not is
# refused, and nothing happens.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mkdir "$WORK/bin"
program=$WORK/bin/batonfs

# install_program [SED]: a copy of the program under test, with another text in it
install_program() {
	sed "${1-}" "$BATONFS" >"$program.new"
	chmod 755 "$program.new"
	mv "$program.new" "$program"
}

upgrade() {
	"$BATON" -m "$MNT" upgrade
}

# refused REGEX: an upgrade is, with these words, and the one that there is goes on
refused() {
	local said

	said=$(upgrade 2>&1) && fail "upgraded to what is no batonfs: $1"
	expect_match "$1" "$said"
	expect_eq "$worker" "$(status 'd["worker"]')" "who serves after a refusal"
}

UPGRADES=${UPGRADES:-5}
version=$("$BATONFS" --version)
version=${version#batonfs }
other=${version%?}x

install_program
# A name that only the program has whose workers die.
export BATONFS_FAULT=xorker_begins BATONFS_FAULT_HANG=$WORK/hang
BATONFS=$program mount_batonfs -o takeover=on,ttl=2h,metrics=127.0.0.1:0
guardian=$(daemon_pid)

# ---- what somebody has ----

mkdir -p "$MNT/1/d" "$MNT/_/work"
echo one >"$MNT/1/open"
echo gone >"$MNT/1/gone"
echo mapped >"$MNT/1/mapped"
exec 3<>"$MNT/1/open" 4<"$MNT/1/gone" 5<"$MNT/.baton/status.json"
rm "$MNT/1/gone"
exec 6>"$MNT/1/lock"
expect flock -n 6
exec 7>>"$MNT/1/appended"
echo before >&7
expect "$BATON" -m "$MNT" config ttl=77m
mkfifo "$WORK/in"
python3 -c '
import mmap, sys
with open(sys.argv[1], "r+") as f: m = mmap.mmap(f.fileno(), 0)
open(sys.argv[2]).read()
m[:6] = m[:6].upper()' "$MNT/1/mapped" "$WORK/in" &
mapper=$!
cd "$MNT/1/d" || fail cd
cat "$MNT/.baton/accesslog" >"$WORK/lines" 2>"$WORK/lines.err" &
reader=$!
reads() {
	touch "$MNT/1/before"
	grep -q 'path="/1/before"' "$WORK/lines"
}
wait_until 10 reads

first_prober=$(pgrep -P "$guardian" -x batonfs-probe)
install_program "s/$version/$other/g"
expect_eq "$MNT: $version -> $other" "$(upgrade)"
expect_eq "batonfs $other" "$(cat "$MNT/.baton/version")"
expect_eq "$guardian $other 0 1 clean" "$(status '" ".join(str(d[k]) for k in ("pid", "version", "takeovers", "upgrades")) + " " + d["ledger"]["state"]')"
# Who asks whether the mount answers begins when it does: another one than before, for this program.
asks() {
	local prober

	prober=$(pgrep -P "$guardian" -x batonfs-probe) && [ "$prober" != "$first_prober" ] && kill -0 "$prober"
}
wait_until 10 asks
reads_on() {
	touch "$MNT/1/after"
	grep -q '^\.\.\. batonfs was replaced, lines lost$' "$WORK/lines" && grep -q 'path="/1/after"' "$WORK/lines"
}
wait_until 10 reads_on
kill $reader
wait $reader
expect_eq "" "$(cat "$WORK/lines.err")" "errors of who reads the accesslog"
expect_eq "$(readlink "/proc/$guardian/exe")" "$program"
expect_eq batonfs "$(cat "/proc/$guardian/comm")"
echo after >&7
expect_eq "before after" "$(tr '\n' ' ' <"$MNT/1/appended" | sed 's/ $//')" "what was appended"
expect_eq gone "$(cat <&4)" "an unlinked file"
expect_match "\"$version\"" "$(cat <&5)" "a control file"
expect_fail flock -n "$MNT/1/lock" true
echo two >&3
expect_eq two "$(cat "$MNT/1/open")"
echo x >new
expect_eq "$MNT/1/d" "$(pwd -P)"
expect_eq x "$(cat "$MNT/1/d/new")"
expect mv "$MNT/1/d/new" "$MNT/1/new"
: >"$WORK/in"
expect wait $mapper
expect_eq MAPPED "$(cat "$MNT/1/mapped")"
exec 3>&- 4<&- 5<&- 6>&- 7>&-
cd / || fail cd
expect flock -n "$MNT/1/lock" true
expect grep -q "^ttl = 77m # changed at run time" "$MNT/.baton/config"
expect grep -q "^takeover = on # command line" "$MNT/.baton/config"

expect_eq 200 "$(python3 -c '
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=30)
c.request("GET", "/healthz")
print(c.getresponse().status)' "$(sed -n 's/.*metrics address=//p' "$WORK/daemon.log")")" "health over HTTP"
server=$(pgrep -P "$guardian" -x batonfs-http)

# ---- refused ----

worker=$(status 'd["worker"]')
install_program 's/keep format [0-9],/keep format 9,/g'
refused "cannot go on with what this batonfs leaves"
chmod 644 "$program"
refused "Permission denied"
head -c 30000 "$BATONFS" >"$program"
chmod 755 "$program"
refused "crashes|Exec format error|ELF|error while loading"
head -c 200000 "$BATONFS" >"$program"
refused "crashes|Exec format error|ELF|error while loading"
echo nothing >"$program"
refused "Exec format error"
cp /bin/true "$program"
refused "no batonfs"
install_program
chmod 757 "$program"
refused "others than root"
rm "$program"
refused "No such file"

# ---- whoever had not asked yet when its worker died is not told what came of the last time ----

install_program "s/$version/$other/g"
upgrades=$(status 'd["upgrades"]')
echo "upgrade-asks 9" >"$BATONFS_FAULT_HANG"
expect_match '^.*: ' "$(upgrade)"
[ ! -e "$BATONFS_FAULT_HANG" ] || fail "the worker did not die"
expect_eq "$((upgrades + 1)) 1" "$(status '" ".join(str(d[k]) for k in ("upgrades", "takeovers"))')"
expect_fail "$BATONFS" --takeover=0

# ---- one that dies as it leaves is told of ----

echo leaves >"$BATONFS_FAULT_HANG"
last=$(worker_pid)
upgrade >"$WORK/said_left" &
wait_until 10 test ! -e "$BATONFS_FAULT_HANG"
kill -9 "$last"
wait $!
expect_eq 0 $? "status of who asked one that died as it left: $(cat "$WORK/said_left")"
grep -q "worker died pid=$last signal=9" "$WORK/daemon.log" || fail "the log does not tell of who died as it left"

# ---- its workers die: the one before goes on ----

exec 3<>"$MNT/1/open"
upgrades=$(status 'd["upgrades"]')
takeovers=$(status 'd["takeovers"]')
died() {
	grep -c "worker died" "$WORK/daemon.log"
}
before=$(died)
install_program 's/worker_begins/xorker_begins/'
said=$(upgrade 2>&1) && fail "upgraded to a program whose workers die"
expect_match "the new program's workers died" "$said"
expect_eq "$other $upgrades" "$(status '" ".join(str(d[k]) for k in ("version", "upgrades"))')" "after going back"
expect_eq $(($(died) - before)) $(($(status 'd["takeovers"]') - takeovers)) "takeovers"
expect_eq two "$(cat <&3)"
exec 3>&-
grep -q "going back to the program before version=$other" "$WORK/daemon.log" || fail "the log does not tell of going back"

# ---- again and again, while it is used ----

install_program
release 1
upgrades=$(status 'd["upgrades"]')
takeovers=$(status 'd["takeovers"]')
stress "$MNT" $((UPGRADES / 2)) &
stress=$!
for ((i = 1; i <= UPGRADES; i++)); do
	if ((i % 2)); then
		expect upgrade >/dev/null
	else
		kill -USR2 "$guardian"
		wait_until 20 eval '[ "$(status "d[\"upgrades\"]")" = $((upgrades + i)) ]'
	fi
	expect_eq clean "$(status 'd["ledger"]["state"]')" "the ledger after upgrade $i"
done
expect wait $stress
expect_eq $((upgrades + UPGRADES)) "$(status 'd["upgrades"]')"
expect_eq "$takeovers" "$(status 'd["takeovers"]')" "workers that died"
stress_leaves _

# ---- unmounted meanwhile ----

unmount_batonfs
wait_until 10 gone "$server"
for i in 1 2 3; do
	BATONFS=$program mount_batonfs -f -o takeover=on
	guardian=$(daemon_pid)
	kill -USR2 "$guardian"
	wait_until 10 fusermount3 -u "$MNT"
	wait "$guardian"
	expect_eq 0 $? "exit status of what was unmounted while it was upgraded"
	unset "mount_pid[$MNT]"
done

# ---- by what is there, if there is no guardian ----

mount_batonfs -o takeover=off
worker=$(status 'd["worker"]')
refused "takeover=off"
kill -USR2 "$(daemon_pid)"
expect_eq "$worker" "$(status 'd["worker"]')"
exit 0
