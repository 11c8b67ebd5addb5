#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# The commands that documents show, as far as tests/lib/commands.txt gives them to this test: document by document, in
# order, as they stand there, on a mount at /data/tmp. One that mounts has the mountpoint to itself.
. "$TESTS/lib/mount.sh"

own_namespace
mkdir -p /data
expect mount -t tmpfs page /data
expect mount -t tmpfs page /var/lib
mkdir -m 700 /data/tmp /var/lib/{batonfs,batonfs-spill}
mkdir -p /var/lib/prometheus/node-exporter
MNT=/data/tmp
export PATH="$BUILD:$PATH"
sudo() { "$@"; }
export -f sudo

# What the documents' examples are about: 4711 and 4712 are there, 4705 is gone.
fill() {
	mkdir -p $MNT/4711 $MNT/4712 $MNT/4705 # they are there, and mkdir alone would say so
	echo input | tee $MNT/4711/input.bin $MNT/4712/input.bin $MNT/4705/input.bin >$MNT/4711_file || fail "filling"
	expect "$BATON" release 4705 >/dev/null
	expect "$BATON" ref $MNT/4711_file >reference.json
}

# In tables one line has several, and placeholders stand for what the reader has.
run() {
	local command=$1

	command=${command//\\n/$'\n'}
	command=${command//, baton /" && baton "}
	command=${command/ FILE/ "$MNT/4711_file"}
	command=${command/ REFERENCE/ "'$(cat reference.json 2>/dev/null)'"}
	bash -c "$command" >out 2>>"$WORK/daemon.log" || fail "$page: \`$command\` gives $?: $(cat out; tail -n 3 "$WORK/daemon.log")"
}

run_document() {
	local page=$1 command n=0

	! is_mounted || expect umount $MNT
	mkdir "$WORK/$(basename "$page")"
	cd "$WORK/$(basename "$page")" || fail cd
	while IFS= read -r command; do
		n=$((n + 1))
		case $command in
		batonfs*) ! is_mounted || expect umount $MNT ;;
		*) is_mounted || { mount_batonfs && fill; } ;;
		esac
		run "$command"
		[[ $command != batonfs* ]] || fill
	done < <(python3 "$TESTS/lib/commands.py" mount/docs "$page")
	cd / || fail cd
	[ $n -gt 0 ] || fail "$page: no commands"
}

documents=$(sed -n 's/^\([^#| ]*\) |.*| mount\/docs$/\1/p' "$TESTS/lib/commands.txt" | sort -u)
for document in $documents; do
	run_document "$document"
done
is_mounted || mount_batonfs
