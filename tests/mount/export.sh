#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci asan
#
# baton export and import: what was exported comes back as it was, also under another ID and from others' tar; an execution
# that is there is not touched unasked; and an archive that means harm reaches nothing outside its execution.
. "$TESTS/lib/mount.sh"

mount_batonfs
export BATON_MOUNT=$MNT
cd "$WORK" || fail "cd"

# ---- there and back ----

mkdir -p "$MNT/4711/d/empty" "$MNT/4711/$(printf 'long%.0s' {1..60})"
head -c 300000 /dev/urandom >"$MNT/4711/d/data"
ln "$MNT/4711/d/data" "$MNT/4711/same"
ln -s ../nowhere "$MNT/4711/d/link"
printf x >"$MNT/4711/"$'not\xffutf8\nand a line'
printf y >"$MNT/4711/größe"
truncate -s 9M "$MNT/4711/sparse" "$MNT/4711/hole"
printf z | dd of="$MNT/4711/sparse" bs=1 seek=5000000 conv=notrunc status=none
printf z | dd of="$MNT/4711/hole" conv=notrunc status=none
setfattr -n user.note -v "a value" "$MNT/4711/d/data"
setfacl -m u:33:r "$MNT/4711/größe"
chown 1234:1234 "$MNT/4711/d" "$MNT/4711/d/data"
chmod 4751 "$MNT/4711/d/data"
chmod 750 "$MNT/4711/d"
touch -d "2020-01-01 00:00:00.123456789 UTC" "$MNT/4711/d/data" "$MNT/4711/d"
echo flat >"$MNT/4711_flat.txt"
echo other >"$MNT/47110_not.txt"
expect "$BATON" ttl 4711 2h >/dev/null
expect "$BATON" pin 4711 >/dev/null

# What is compared of an execution: all but its ID, inode numbers and set-id bits.
shape() {
	(cd "$MNT" && find "$1" "$1"_* -printf '%P|%y|%m|%U:%G|%n|%l|%T@|%s\n' | sed 's/|4751|/|751|/; s/^|d|.*/|d|/' | LC_ALL=C sort)
	(cd "$MNT/$1" && find . -type f -exec md5sum {} + | LC_ALL=C sort)
	(cd "$MNT/$1" && { getfattr -R -d . 2>/dev/null; getfacl -R -n . 2>/dev/null | grep 'user:33'; } | sort)
	"$BATON" stat --json "$1" | python3 -c 'import json, sys; d = json.load(sys.stdin); print([d[k] for k in ("files", "bytes", "pinned", "ttl")])'
}

expect "$BATON" export 4711 -o 4711.tar 2>said
expect_match '^4711: exported, 7 files' "$(cat said)"
[ "$(stat -c %s 4711.tar)" -lt 8000000 ] || fail "holes were written: $(stat -c %s 4711.tar)"
tar -tf 4711.tar >list || fail "tar does not read it"
expect_eq "4711/" "$(head -n 1 list)" "the first name"
expect_match '^4711: imported, 7 files' "$(expect "$BATON" import --force <4711.tar)"
shape 4711 >before
expect_match 'user.note="a value"' "$(cat before)"
expect_match 'user:33:r' "$(cat before)"
expect_match "True, 7200.0" "$(cat before)"
"$BATON" export 4711 | expect "$BATON" import 4712 >/dev/null
shape 4712 >after
expect diff before after
[ "$(stat -c %b "$MNT/4712/sparse")" -lt 9000 ] || fail "the holes are gone"
expect_eq "2020-01-01 00:00:00.123456789 +0000" "$(TZ=UTC stat -c %y "$MNT/4712/d/data")"
expect_eq 47110_not.txt "$(cd "$MNT" && echo 47110*)"

# Somebody else's, and root gives him his own back.
run_as 1234 bash -c "echo his >$MNT/5001/a"
expect "$BATON" export 5001 -o 5001.tar 2>/dev/null
expect "$BATON" import 5002 -i 5001.tar --json >json
expect_match '"execution":"5002","files":1,"bytes":4' "$(cat json)"
expect_match '^1234 ' "$(cat "$MNT/.baton/executions/5002/owner")"
expect run_as 1234 "$BATON" export 5002 -o /dev/null 2>/dev/null
chmod 644 5001.tar && chmod 755 .
expect run_as 1234 "$BATON" import 5003 <5001.tar >/dev/null
expect_eq his "$(cat "$MNT/5003/a")"

# As tar makes it, and compressed.
mkdir -p tree/job-x/sub
echo text >tree/job-x/sub/a
tar -C tree -czf x.tgz ./job-x
expect "$BATON" import -i x.tgz >/dev/null
expect_eq text "$(cat "$MNT/job-x/sub/a")"

# ---- what is there stays, unless asked ----

echo mine >"$MNT/job-x/mine"
expect_fail "$BATON" import -i x.tgz 2>said
expect_match '--merge' "$(cat said)"
expect_eq mine "$(cat "$MNT/job-x/mine")"
echo changed >"$MNT/job-x/sub/a"
expect "$BATON" import --merge -i x.tgz >/dev/null
expect_eq "mine text" "$(cat "$MNT/job-x/mine" "$MNT/job-x/sub/a" | paste -sd' ')"
expect "$BATON" import --force -i x.tgz >/dev/null
expect_fail [ -e "$MNT/job-x/mine" ]

# ---- wrong usage, nothing half-done ----

for args in "export" "export a/b -o x" "export 4711 --json" "import a/b" "import --force --merge" "export 4711 --force -o x"; do
	# shellcheck disable=SC2086 # words
	"$BATON" $args </dev/null >out 2>said
	expect_eq 2 $? "exit status of: $args"
	expect_eq "" "$(cat out)" "output of: $args"
done
expect_fail "$BATON" export 9999 -o none.tar 2>/dev/null
expect_fail "$BATON" export _ -o none.tar 2>/dev/null
expect_eq "none.tar*" "$(echo none.tar*)" "what is left of a failure"
head -c 100000 4711.tar >cut.tar
expect_fail "$BATON" import 6001 -i cut.tar 2>/dev/null
expect_fail [ -e "$MNT/.baton/executions/6001" ]
expect_fail "$BATON" import </dev/null 2>/dev/null

# Cut where a file begins, an archive looks like a shorter one, but for its end.
echo 1 >"$MNT/6002/a" && echo 2 >"$MNT/6002/b" && echo 3 >"$MNT/6002/c"
expect "$BATON" export 6002 -o whole.tar 2>/dev/null
python3 -c 'import tarfile; open("cut.tar", "wb").write(open("whole.tar", "rb").read()[:tarfile.open("whole.tar").getmembers()[2].offset])'
expect_fail "$BATON" import 6001 -i cut.tar 2>said
expect_match '^baton: import cut.tar: it ends in the middle' "$(cat said)"
gzip <cut.tar >cut.tgz
expect_fail "$BATON" import 6001 -i cut.tgz 2>/dev/null
expect_fail [ -e "$MNT/.baton/executions/6001" ]

# An export that fails does not end its archive: who reads it sees that. What could not be written is said.
chmod 600 "$MNT/6002/b"
run_as 1234 "$BATON" export 6002 2>said >half.tar
expect_eq 1 $? "exit status of an export that fails"
expect_match '6002/b: Permission denied' "$(cat said)"
expect_fail "$BATON" import 6001 -i half.tar 2>/dev/null
expect_fail [ -e "$MNT/.baton/executions/6001" ]
expect_eq "baton: export 6002: Write error: No space left on device" "$(LC_ALL=C "$BATON" export 6002 2>&1 >/dev/full)"

# What cannot be written is an error, with or without --merge, and nothing is left of it.
for option in --force --merge; do
	said=$(LC_ALL=C bash -c 'trap "" XFSZ && ulimit -f 100 && exec "$0" "$@"' "$BATON" import 6001 $option -i 4711.tar 2>&1)
	expect_eq 1 $? "exit status of an import that cannot write"
	expect_match ': Write .*failed: File too large$' "$said"
	expect_eq "" "$(find "$MNT/6001" -size +99k 2>/dev/null)" "what is left"
	"$BATON" release 6001 >/dev/null 2>&1
done

# Nor is anything left of what was interrupted: nothing at all of an import, of a merge only what is whole. What SIGKILL
# has left tells that it is not.
mkfifo halves
imported() {
	[ "$(find "$MNT/6001" -type f -name "$1" -size +2000 2>/dev/null)" ]
}
head -c 3000000 /dev/zero >"$MNT/6003/x" && expect "$BATON" export 6003 -o large.tar 2>/dev/null
# interrupt SIGNAL [OPTION...]
interrupt() {
	env --default-signal "$BATON" import 6001 "${@:2}" -i halves &
	exec 3>halves
	head -c 2500000 large.tar >&3
	wait_until 20 imported x
	kill -"$1" $!
	wait $! 2>/dev/null
	expect_eq "$1" "$(kill -l $?)" "what has ended it"
	exec 3>&-
}
for signal in HUP INT TERM; do
	interrupt $signal
	expect_fail [ -e "$MNT/.baton/executions/6001" ]
done
expect "$BATON" import 6001 -i whole.tar >/dev/null
interrupt TERM --merge
expect_eq "a b c" "$(ls -A "$MNT/6001" | paste -sd' ')" "after a merge that was interrupted"
expect_fail "$BATON" import 6001 --merge -i <(head -c 2500000 large.tar) 2>/dev/null
expect_eq "a b c" "$(ls -A "$MNT/6001" | paste -sd' ')" "after a merge of half an archive"
expect "$BATON" release 6001 >/dev/null
interrupt KILL
expect_match '^.baton-[0-9a-f]{16}.part x$' "$(ls -A "$MNT/6001" | paste -sd' ')" "after SIGKILL"
expect "$BATON" import 6001 --force -i whole.tar >/dev/null
expect_eq "a b c" "$(ls -A "$MNT/6001" | paste -sd' ')" "after an import"
script -qec "$BATON export 4711" /dev/null >said
expect_match 'terminal' "$(cat said)"

# ---- archives that mean harm ----

mkdir outside
echo precious >outside/file
export PYTHONDONTWRITEBYTECODE=1
python3 - <<'PYTHON' || fail "making archives"
import io, os, tarfile

def archive(name, *members):
    with tarfile.open(f"evil-{name}.tar", "w", format=tarfile.PAX_FORMAT) as t:
        for path, kind, arg in (("666", tarfile.DIRTYPE, None),) + members:
            m = tarfile.TarInfo(path)
            m.type, m.mode = kind, 0o6777
            if kind == tarfile.REGTYPE:
                m.size = len(arg)
                t.addfile(m, io.BytesIO(arg))
            else:
                m.linkname = arg or ""
                m.devmajor, m.devminor = 1, 3
                t.addfile(m)

F, D, L, H = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
here = os.getcwd() + "/outside"
archive("absolute", (here + "/new", F, b"x"))
archive("dotdot", ("666/../../outside/new", F, b"x"))
archive("other", ("4711/d/data", F, b"x"))
archive("prefix", ("666x", F, b"x"))
archive("control", (".baton/config", F, b"ttl=1s"))
archive("through", ("666/l", L, here), ("666/l/new", F, b"x"))
archive("through-dir", ("666/l", L, "../4711"), ("666/l/d/data", F, b"x"))
archive("over", ("666/l", L, here + "/file"), ("666/l", F, b"x"))
archive("hard", ("666/h", H, here + "/file"))
archive("hard-other", ("666/h", H, "4711/d/data"))
archive("hard-dots", ("666/h", H, "666/../4711/d/data"))
archive("first-file")
with tarfile.open("evil-first.tar", "w") as t:
    t.addfile(tarfile.TarInfo("666/a"))
archive("device", ("666/null", tarfile.CHRTYPE, None), ("666/pipe", tarfile.FIFOTYPE, None), ("666/suid", F, b"x"))
PYTHON
md5sum "$MNT/4711/d/data" >sum
for evil in absolute dotdot other prefix control through through-dir hard hard-other hard-dots first; do
	expect_fail "$BATON" import -i "evil-$evil.tar" 2>said
	expect_eq 1 "$(wc -l <said)" "lines about $evil"
	expect_fail [ -e "$MNT/.baton/executions/666" ]
done
"$BATON" import --force -i evil-over.tar >/dev/null 2>&1
expect_eq file "$(ls outside)"
expect_eq precious "$(cat outside/file)"
expect md5sum -c --status sum
expect_fail [ -e "$MNT/666x" ]
expect_match 'ttl = 1h' "$(cat "$MNT/.baton/config")"
expect "$BATON" import --force -i evil-device.tar >/dev/null 2>said
expect_eq 2 "$(grep -c 'left out' said)" "what was left out"
expect_eq "suid 777" "$(cd "$MNT/666" && stat -c '%n %a' -- *)"
