#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci tsan
#
# Options from a file, the environment and the command line, as .baton/config and `baton config` show them; changed
# while mounted, with effect at once; refused with a reason, and exit status 2 at the start. What .baton/config says is
# a configuration file that means the same.
. "$TESTS/lib/mount.sh"

config=$MNT/.baton/config

# value OPTION: "VALUE FROM CAN-BE-CHANGED"
value() {
	"$BATON" -m "$MNT" config "$1" | sed -n 's/  */ /g; 2s/^[^ ]* //p'
}

# refused WANTED COMMAND...: fails, and says so in one line.
refused() {
	local wanted=$1 said
	shift

	said=$("$@" 2>&1) && fail "succeeded but must not: $*"
	expect_match "$wanted" "$said" "$*"
	expect_eq 1 "$(wc -l <<<"$said")" "lines of: $said"
}

printf '# a comment\nttl = 40m\nhigh = 99%%\ndedup_min = 2M\n' >"$WORK/a.conf"
export BATONFS_CONFIG=$WORK/a.conf BATONFS_DEDUP_MIN=128K BATONFS_TTL= BATONFS_PORT=tcp://10.0.0.1
mount_batonfs -o log=notice,autodir=on
expect_eq "40m file $WORK/a.conf:2 yes" "$(value ttl)"
expect_eq "128K environment BATONFS_DEDUP_MIN yes" "$(value dedup_min)"
expect_eq "notice command line yes" "$(value log)"
expect_eq "on command line no" "$(value autodir)"
expect_eq "none default yes" "$(value exec_bytes)"
expect_eq "memory:2G command line no" "$(value source)"
expect grep -q "warning: environment variable BATONFS_PORT: no such option" "$WORK/daemon.log"
expect grep -qx "ttl = 40m # file $WORK/a.conf:2 (can be changed)" "$config"
expect_eq "$(grep -c . "$config")" "$("$BATON" -m "$MNT" config | tail -n +2 | wc -l)" "options shown"
expect run_as 1000 grep -q "^threads = auto # default$" "$config"

# Refused: nothing is changed.
before=$(cat "$config")
refused "^baton: config: option 'threads' cannot be changed while mounted" "$BATON" -m "$MNT" config threads=3
refused "^baton: config: option 'ttl=soon' is not of the form; it is: TIME" "$BATON" -m "$MNT" config high=80% ttl=soon
refused "^baton: config: option 'ttl=0' is out of range" "$BATON" -m "$MNT" config ttl=0
refused "^baton: config: unknown option 'colour'" "$BATON" -m "$MNT" config colour=red
refused "^baton: config: option 'low' needs 'high'" "$BATON" -m "$MNT" config high=never low=50%
refused "^baton: config: option low=99.5% leaves no more" "$BATON" -m "$MNT" config low=99.5%
refused "^baton: config: only root may" run_as 1000 "$BATON" -m "$MNT" config ttl=1h
refused "^baton: config: colour: no such option" "$BATON" -m "$MNT" config colour
expect_errno EPERM bash -c "echo threads=3 >$config"
expect_errno EINVAL bash -c "echo >$config"
expect_errno ERANGE bash -c "echo dedup_min=1 >$config"
expect_eq "$before" "$(cat "$config")" "options after what was refused"

# Every option of the table: a value that means nothing to any of them is refused, in a line that names it and says what it
# may be, or that it cannot be changed; what it is already may be said again, of those that can be changed.
"$BATON" -m "$MNT" config --json | python3 -c 'import json, sys
for o in json.load(sys.stdin)["options"]:
    print(o["option"], o["value"], o["changeable"])' >"$WORK/all"
expect test "$(wc -l <"$WORK/all")" -gt 20
while read -r name now live; do
	if [ "$live" = True ]; then
		refused "^baton: config: option '$name=~~' is not of the form; it is: " "$BATON" -m "$MNT" config "$name=~~"
		expect "$BATON" -m "$MNT" config "$name=$now" >"$WORK/out"
		expect_match " changed at run time yes$" "$(value "$name")" "where $name was said"
	else
		refused "^baton: config: option '$name' cannot be changed while mounted" "$BATON" -m "$MNT" config "$name=$now"
	fi
done <"$WORK/all"
expect_eq "$(cut -d'#' -f1 <<<"$before")" "$(cut -d'#' -f1 "$config")" "values after all that"

# Changed: everything, at once.
echo 1 >"$MNT/4711_a"
echo 2 >"$MNT/4711_b"
expect "$BATON" -m "$MNT" config exec_files=2 log=debug dedup_min=64K >"$WORK/out"
expect_eq "64K changed at run time yes" "$(value dedup_min)"
expect grep -q "option changed exec_files=2 before=none by_pid=" "$WORK/daemon.log"
expect_errno EDQUOT touch "$MNT/4711_c"
expect_eq 2 "$(<"$MNT/.baton/executions/4711/limit_files")"
expect bash -c "echo exec_files=none, log=info >$config"
expect touch "$MNT/4711_c"

why() {
	"$BATON" -m "$MNT" why "$1" 2>&1 | grep -q "$2"
}

head -c 64M /dev/zero >"$MNT/4712_large"
expect "$BATON" -m "$MNT" config high=2% >"$WORK/out"
wait_until 30 why 4712 "the store needed room"
expect "$BATON" -m "$MNT" config high=never >"$WORK/out"
echo 3 >"$MNT/4713_a"
expect "$BATON" -m "$MNT" config ttl=1s >"$WORK/out"
wait_until 30 why 4713 "its time-to-live of 1 s was over"
expect_eq '"1s"' "$("$BATON" -m "$MNT" config ttl --json | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["options"][0]["value"]))')"

# The text is a configuration file.
cut -d'#' -f1 "$config" >"$WORK/before"
cat "$config" >"$WORK/b.conf"
unmount_batonfs
unset BATONFS_DEDUP_MIN
STORE=none BATONFS_CONFIG=$WORK/b.conf mount_batonfs
cut -d'#' -f1 "$config" | diff "$WORK/before" - || fail "the same file means something else"
unmount_batonfs

mount_batonfs -o limit=strict
refused "^baton: config: with limit=strict, exec_bytes" "$BATON" -m "$MNT" config exec_bytes=1G
unmount_batonfs

# starts_not WANTED COMMAND...
starts_not() {
	local wanted=$1 said status
	shift

	said=$("$@" 2>&1 </dev/null)
	status=$?
	expect_eq 2 $status "exit status of: $*"
	expect_match "$wanted" "$said" "$*"
	expect_eq 1 "$(wc -l <<<"$said")" "lines of: $said"
}

printf '\nthreads = 0\n' >"$WORK/c.conf"
starts_not "^batonfs: $WORK/c.conf:2: option 'threads=0' is out of range; it is: N" "$BATONFS" --config "$WORK/c.conf" none "$MNT"
starts_not "^batonfs: $WORK/none.conf: cannot be read: No such file" "$BATONFS" --config "$WORK/none.conf" none "$MNT"
starts_not "^batonfs: environment variable BATONFS_RO: option 'ro=maybe' is not of the form" env BATONFS_RO=maybe "$BATONFS" none "$MNT"
starts_not "^batonfs: option 'log=loud' is not of the form; it is: error" "$BATONFS" none "$MNT" -o log=loud

# What only the start can know to be wrong: where it was said, too.
unset BATONFS_PORT
printf 'ttl = 1h\nsource = %s\n' "$WORK/nowhere" >"$WORK/c.conf"
starts_not "^batonfs: error: store $WORK/nowhere does not exist; .* \(source: file $WORK/c.conf:2\)$" \
	"$BATONFS" --config "$WORK/c.conf" none "$MNT"
printf 'source = memory:10M\nhigh = 50%%\nlow = 60%%\n' >"$WORK/c.conf"
starts_not "^batonfs: error: option low=60% leaves no more .* \(low: file $WORK/c.conf:3\)$" \
	"$BATONFS" --config "$WORK/c.conf" none "$MNT"
starts_not "^batonfs: error: option spill is for a store in memory; .* \(spill: environment BATONFS_SPILL\)$" \
	env BATONFS_SPILL=/tmp "$BATONFS" "$WORK" "$MNT"

# --help, made from the table, and the manual have the same options.
"$BATONFS" --help | sed -n 's/^[* ] \([a-z_]*\)=.* \[\(.*\)\]$/\1 \2/p' >"$WORK/options"
expect test "$(wc -l <"$WORK/options")" -gt 20
while read -r name default; do
	awk -v name="$name" '/^\.It / { on = index($0, "Cm " name "=") } on' "$TESTS/../man/batonfs.8" >"$WORK/entry"
	expect grep -q . "$WORK/entry" # the manual has no such option
	grep -q "^Default.*\b${default%\%}" "$WORK/entry" || echo "batonfs(8): $name: the default is $default"
done <"$WORK/options" >"$WORK/said"
expect_eq "" "$(cat "$WORK/said")" "differences of table and manual"
