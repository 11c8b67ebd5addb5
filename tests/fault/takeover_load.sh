#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 60
# variants: memory-on
# builds: ci asan
#
# The worker is killed at any moment, while Node writes, Python maps, git clones, locks are held and clients
# check each thing that they do: no error is seen, no byte is wrong, and nothing is lost that was acknowledged.
#
# For engineers, hours of it, with fio if it is there:
#
#     KILLS=1000 SEED=7 tests/run --patience 60 --show -k ci/fault/takeover_load
#
# With HOW=upgrade the program is put in its own place instead, as often; with HOW=both that is asked for, and then the worker is killed.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

kills=${KILLS:-${few:-20}}
seed=${SEED:-$RANDOM}
clients=${CLIENTS:-6}
done_file=$WORK/done
here=$TESTS/fault
pids=()
names=()

echo "seed $seed"
mount_batonfs -o "takeover=on${TAKEOVER_OPTS:+,$TAKEOVER_OPTS}"
guardian=$(daemon_pid)
descriptors=$(ls "/proc/$guardian/fd" | wc -l)

# client NAME COMMAND...: in the background; what it says is kept.
client() {
	local name=$1
	shift

	"$@" >"$WORK/$name.out" 2>"$WORK/$name.err" &
	pids+=($!)
	names+=("$name")
}

hand_over() {
	set -o pipefail
	node "$here/takeover_node.mjs" "$MNT/501" "$done_file" | python3 "$here/takeover_load.py" map
}

make_repository() {
	git init -q "$1"
	cd "$1" || exit 1
	git config user.email a@b
	git config user.name a
	for i in {1..30}; do
		mkdir -p "d$((i % 5))"
		head -c $((i * 700)) /dev/urandom >"d$((i % 5))/file$i"
		ln -s "file$i" "d$((i % 5))/link$i"
	done
	git add .
	git commit -q -m all
}

clone_repository() {
	local i=0 status

	while [ ! -e "$done_file" ] || [ $i = 0 ]; do
		rm -rf "$MNT/502/clone" || exit 1
		git clone -q --no-hardlinks "$WORK/repository" "$MNT/502/clone" || exit 1
		git -C "$MNT/502/clone" fsck --strict || exit 1
		status=$(git -C "$MNT/502/clone" status --porcelain) || exit 1
		[ -z "$status" ] || { echo "git status: $status"; exit 1; }
		i=$((i + 1))
	done
	echo "clones: $i"
}

# An execution is made, used and released, again and again; nothing of it is left.
come_and_go() {
	local i=0 dir

	while [ ! -e "$done_file" ]; do
		dir=$MNT/60000$((i % 5))
		echo "$i" >"$dir/file" && mkdir "$dir/sub" && echo "$i" >"$dir/sub/file" && echo "$i" >"${dir}_flat" || exit 1
		[ "$(cat "$dir/file" "$dir/sub/file" "${dir}_flat" | sort -u)" = "$i" ] || { echo "$dir: not what was written"; exit 1; }
		release "${dir##*/}" || exit 1
		[ -z "$(ls -A "$dir")" ] || { echo "$dir: left: $(ls -A "$dir")"; exit 1; }
		[ ! -e "${dir}_flat" ] || { echo "${dir}_flat: left"; exit 1; }
		i=$((i + 1))
	done
	echo "releases: $i"
}

verify_with_fio() {
	local i=0

	while [ ! -e "$done_file" ]; do
		fio --name="verify_$1" --directory="$MNT/503" --rw=randrw --bs=4k-64k --size=16m --numjobs=2 --verify=crc32c \
			--verify_backlog=64 --verify_fatal=1 --ioengine="$1" --time_based --runtime=3 --output-format=terse || exit 1
		i=$((i + 1))
	done
	echo "fio $1: $i times"
}

mkdir "$MNT/500/d" "$MNT/503/x" "$MNT/504/probe" || fail mkdir
make_repository "$WORK/repository" >/dev/null || fail "git init"
cd / || fail cd
for ((i = 0; i < clients; i++)); do
	case $((i % 3)) in
	0) prefix=$MNT/$((510 + i))/ ;;	  # an execution of its own
	1) prefix=$MNT/500/d/client$i ;;  # a directory with others
	2) prefix=$MNT/$((520 + i))_c$i ;; # at the top
	esac
	client "load$i" takeover_load "$prefix" "$WORK/load$i.log" "$done_file" $((seed + i))
	echo "$prefix" >"$WORK/load$i.prefix"
done
client probe nice -n -10 takeover_probe "$MNT/504/probe" "$WORK/probe.log" "$done_file"
client node hand_over
client git clone_repository
client locks python3 "$here/takeover_load.py" lock "$MNT/503" "$done_file"
client release come_and_go
if [ "${KILLS-}" ] && command -v fio >/dev/null; then
	client fio_psync verify_with_fio psync
	client fio_mmap verify_with_fio mmap
fi

python3 "$here/takeover_load.py" kill "$guardian" "$kills" "$seed" "$WORK/kills.log" "${HOW:-kill}"
killer=$?
touch "$done_file"
failed=
for i in "${!pids[@]}"; do
	wait "${pids[i]}" || failed+=" ${names[i]}"
done
for name in $failed; do
	echo "$name: $(tail -n 5 "$WORK/$name.err" "$WORK/$name.out")"
done
[ $killer = 0 ] || fail "who kills: exit $killer"
[ -z "$failed" ] || fail "clients saw errors:$failed"
[ "${HOW-}" = both ] || expect_eq "$kills" "$(status 'd["takeovers"] + d["upgrades"]')" "replaced"
grep -h . "$WORK"/{probe,node,git,locks,release}.out
echo "steps: $(cat "$WORK"/load*.out | paste -sd+ | bc)"
python3 "$here/takeover_load.py" stalls "$WORK/probe.log" "$WORK/kills.log"

check_all() {
	local i

	for ((i = 0; i < clients; i++)); do
		takeover_load -c "$(cat "$WORK/load$i.prefix")" "$WORK/load$i.log" || fail "$1: client $i"
	done
}
check_all "at the end"

all_closed() {
	[ "$(status 'd["open"]')" = 0 ]
}
wait_until 20 all_closed
agrees() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}
wait_until 20 agrees
if [ "$STORE_KIND" != memory ]; then
	unmount_batonfs
	mount_batonfs
	check_all "mounted again"
	exit 0
fi

# ---- what is left of all those that died ----

rm -rf "${MNT:?}"/[0-9]*
forgotten() {
	[ "$(sed -n 's/^batonfs_known_inodes //p' "$MNT/.baton/metrics")" -lt 50 ]
}
wait_until 20 forgotten
before=$(status 'd["takeovers"] + d["upgrades"]')
kill -9 "$(status 'd["worker"]')"
expect_eq $((before + 1)) "$(status 'd["takeovers"] + d["upgrades"]')" "replaced"
registered=$(python3 "$here/takeover_load.py" ids "$guardian")
left=$(($(ls "/proc/$guardian/fd" | wc -l) - descriptors))
echo "left: descriptors $left, backing ids ${registered% *} of ${registered#* }; guardian $(grep VmRSS "/proc/$guardian/status")"
[ $((${registered% *} + left)) -le $((4 + kills / 10)) ] || fail "backing ids are left, or descriptors"
exit 0
