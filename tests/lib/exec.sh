# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after mount.sh by the tests that look at executions.

# about PATH ATTRIBUTE: the value of user.baton.ATTRIBUTE.
about() {
	getfattr --absolute-names --only-values -h -n "user.baton.$2" "$1" ||
		fail "$1 has no user.baton.$2"
}

# exec_of PATH: the execution it belongs to.
exec_of() {
	about "$1" execution
}

# shown ID ATTRIBUTE: what .baton says of an execution.
shown() {
	cat "$MNT/.baton/executions/$1/$2"
}

# sums ID: "FILES BYTES"; "-" if there is no such execution.
sums() {
	if [ -e "$MNT/.baton/executions/$1" ]; then
		echo "$(shown "$1" files) $(shown "$1" bytes)"
	else
		echo -
	fi
}

# expect_sums ID FILES BYTES: soon: the kernel tells of a close behind the caller's back.
expect_sums() {
	(wait_until 5 sums_are "$@") >/dev/null || fail "execution $1: expected $2 files, $3 bytes; got: $(sums "$1")"
}

sums_are() {
	[ "$(sums "$1")" = "$2 $3" ]
}

is_real() {
	[ -e "$MNT/.baton/executions/$1" ]
}

is_over() {
	[ ! -e "$MNT/.baton/executions/$1" ]
}

# What tests/mount/stress.c made, once it has ended, is closed and can be released; the root holds LEFT then.
stress_leaves() {
	local id

	stress_is_closed() {
		[ "$(status 'd["open"]')" = 0 ]
	}
	wait_until 20 stress_is_closed
	for id in 1 2 3 44; do
		is_over $id || release $id
	done
	expect_eq "$1" "$(ls -A "$MNT")" "the root after releasing all"
}

release() {
	echo 1 >"$MNT/.baton/executions/$1/release"
}

# why ID EXPRESSION: of d, the object that .baton/why/ID is; r is its newest release.
why() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
r = d["releases"][0] if d["releases"] else None
print(eval(sys.argv[2]))' "$MNT/.baton/why/$1" "$2"
}

# status EXPRESSION: of d, the object in .baton/status.json.
status() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$MNT/.baton/status.json" "$1"
}
