#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
#
# .baton/accesslog tells those who read it of each operation, from their open on: who did what, where, and what came of it.
# Nothing in a name ends a line. Others than root see their own. Who waits can be killed, nobody is held up by a reader, and
# the mount's end is the log's. slow= tells the log of requests that took long.
. "$TESTS/lib/mount.sh"

log=$MNT/.baton/accesslog
out=$WORK/out

# follow FILE COMMAND...: what the command reads goes to FILE, from when this returns; $! is its process.
follow() {
	local file=$1
	shift

	: >"$file" # what it had before tells nothing
	"$@" >>"$file" 2>"$WORK/follow.err" &
	wait_until 10 told "$file" "$MNT/mark"
}

# An operation on FILE is in what was read.
told() {
	[ -e "$2" ]
	setpriv --reuid "${AS:-0}" stat "$MNT/_mark$RANDOM$RANDOM" 2>/dev/null
	grep -q _mark "$1"
}

# line FILE REGEX: within 10 s.
line() {
	wait_until 10 grep -qE -- "$2" "$1"
}

stop() {
	kill "$1"
	wait "$1" 2>/dev/null || :
}

mount_batonfs

# ---- what lines say ----

follow "$out" cat "$log"
reader=$!
echo text >"$MNT/4711/in.bin"
line "$out" '^[-0-9]{10}T[0-9:.]{15}Z pid=[0-9]+ uid=0 op=create result=ok took=0\.[0-9]{6} for=write,truncate exec=4711 path="/4711/in.bin"$'
run_as 1234 cat "$MNT/4711/in.bin" >/dev/null
line "$out" ' uid=1234 op=open result=ok .* for=read exec=4711 path="/4711/in.bin"$'
expect_errno EACCES run_as 1234 touch "$MNT/4711/in.bin"
name=$'evil\n2026-01-01T00:00:00.000000Z pid=1 uid=0 op=unlink\e[2J"'
touch "$MNT/4711/$name"
line "$out" 'op=create .* path="/4711/evil\\x0a2026.*op=unlink\\x1b\[2J\\""$'
expect_eq 0 "$(grep -c '^2026-01-01' "$out")" "forged lines"
mv "$MNT/4711/in.bin" "$MNT/4712.bin"
line "$out" 'op=rename result=ok .* exec=4711 path="/4711/in.bin" to_exec=4712 to="/4712.bin"$'
ln "$MNT/4712.bin" "$MNT/4711/link"
line "$out" 'op=link result=ok .* exec=4712 path="/4712.bin" to_exec=4711 to="/4711/link"$'
truncate -s 3 "$MNT/4711/link"
line "$out" 'op=setattr result=ok .* size=3 exec=4711 path="/4711/link"$'
getfattr -n user.baton.xxh3 "$MNT/4711/link" >/dev/null
line "$out" 'op=getxattr result=ok .* name="user.baton.xxh3" exec=4711 '
rm "$MNT/4711/link"
line "$out" 'op=unlink result=ok .* exec=4711 path="/4711/link"$'
[ -e "$MNT/4711/none" ]
line "$out" 'op=lookup result=ENOENT .* path="/4711/none"$'
echo 1 >"$MNT/.baton/executions/4711/release"
line "$out" 'op=write result=ok .* path="/.baton/executions/4711/release"$'
expect_eq 0 "$(grep -c 'op=read .*accesslog' "$out")" "lines about its own reads"

# ---- who may read what ----

AS=1234 follow "$WORK/own" setpriv --reuid 1234 cat "$log"
own=$!
touch "$MNT/root.txt"
AS=1234 run_as 1234 touch "$MNT/user.txt"
line "$WORK/own" ' uid=1234 op=create .* path="/user.txt"$'
line "$out" ' path="/root.txt"$'
expect_eq 0 "$(grep -vc ' uid=1234 ' "$WORK/own")" "lines of others"
stop $own

# ---- reading ----

expect_errno EAGAIN dd if="$log" iflag=nonblock count=1 status=none
expect_errno ESPIPE python3 -c 'import os, sys; os.lseek(os.open(sys.argv[1], os.O_RDONLY), 0, os.SEEK_CUR)' "$log"
expect_errno EACCES run_as 1234 tee "$log" </dev/null
follow "$WORK/tail" tail -f -n +1 "$log"
stop $!
exec 3<"$log" # reads nothing, and holds up nobody
python3 - "$MNT" <<'PYTHON' || fail "a reader that is slow"
import os, sys
for i in range(6000):
    try:
        os.stat(f"{sys.argv[1]}/slow{i}")
    except FileNotFoundError:
        pass
PYTHON
read -r -u 3 first
expect_match '^\.\.\. [0-9]+ lines lost$' "$first"
read -r -u 3 first
expect_match '^20.* op=' "$first"
exec 3<&-

# Killed while it waits; a signal that is caught ends the read.
kill -9 $reader
wait_until 10 gone $reader
expect timeout 10 python3 - "$log" <<'PYTHON'
import os, signal, sys
def caught(*_): raise TimeoutError
signal.signal(signal.SIGALRM, caught)
signal.setitimer(signal.ITIMER_REAL, 0.1)
fd = os.open(sys.argv[1], os.O_RDONLY)
try:
    while True: os.read(fd, 65536)
except TimeoutError:
    pass
PYTHON

# ---- slow requests ----

echo slow=1ms >"$MNT/.baton/config"
python3 - "$MNT/5" <<'PYTHON' || fail "a part of a file, which no share or clone is made of"
import os, sys
with open(f"{sys.argv[1]}/from", "w+b") as a, open(f"{sys.argv[1]}/to", "wb") as b:
    a.write(b"x" * (64 << 20))
    a.flush()
    assert os.copy_file_range(a.fileno(), b.fileno(), 48 << 20, 4096, 0) > 32 << 20
PYTHON
wait_until 10 grep -qE 'slow request pid=[0-9]+ uid=0 op=' "$WORK/daemon.log"
expect_match '[1-9]' "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["slow"])' <"$MNT/.baton/status.json")"
echo slow=off >"$MNT/.baton/config"
expect_match 'slow = off' "$(cat "$MNT/.baton/config")"

# ---- the end ----

follow "$out" cat "$log"
reader=$!
pid=$(daemon_pid)
kill "$pid"
wait_until 10 gone "$pid"
wait $reader
expect_eq 0 $? "cat at the end of the mount"
unset "mount_pid[$MNT]"

# The next process goes on with the reader of one that died.
[ "$SANITIZER" ] && exit
mount_batonfs -o takeover=on
follow "$out" cat "$log"
reader=$!
kill -9 "$(worker_pid)"
touch "$MNT/after.txt"
follow "$out.2" cat "$log"
stop $!
line "$out" '^\.\.\. batonfs was replaced, lines lost$'
touch "$MNT/then.txt"
line "$out" 'op=create .* path="/then.txt"$'
stop $reader
