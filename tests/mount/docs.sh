#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# The commands of docs/: each line that begins with `    $ ` is run, page by page, in order, on a mount at /data/tmp.
. "$TESTS/lib/mount.sh"

own_namespace
mkdir -p /data
expect mount -t tmpfs page /data
mkdir /data/tmp
MNT=/data/tmp
export PATH="$BUILD:$PATH"
sudo() { "$@"; }
export -f sudo

run_page() {
	local page=$1 line n=0

	is_mounted || mount_batonfs
	mkdir "$WORK/$n$(basename "$page")"
	cd "$WORK/$n$(basename "$page")" || fail cd
	while IFS= read -r line; do
		n=$((n + 1))
		bash -c "${line#    \$ }" >out 2>&1 || fail "$page: \`${line#    \$ }\` gives $?: $(cat out)"
	done < <(grep '^    \$ ' "$page")
	cd / || fail cd
	[ "$n" -gt 0 ] || fail "$page: no commands"
}

cd "$TESTS/.." || fail cd
for page in operate tune troubleshoot; do
	run_page "$TESTS/../docs/$page.md"
done
is_mounted || mount_batonfs
