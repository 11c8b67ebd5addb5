# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after mount.sh by the tests that fill a store: one of their own, so small that it is full soon.

# small_store MIB: $STORE becomes a store of about that size, of the variant's kind. Call it first: unless the store
# is batonfs's own memory, the script starts again in a mount namespace of its own.
small_store() {
	local mib=$1 dir=$WORK/small

	if [ "$STORE_KIND" = memory ]; then
		STORE=memory:${mib}M
		return
	fi
	own_namespace
	mkdir "$dir"
	case $STORE_KIND in
	tmpfs)
		expect mount -t tmpfs -o "inode64,size=${mib}M" small "$dir"
		;;
	*)
		truncate -s "${mib}M" "$WORK/small.img"
		expect "mkfs.$STORE_KIND" -q "$WORK/small.img"
		expect mount -o loop "$WORK/small.img" "$dir"
		;;
	esac
	STORE=$dir
}

# write_file PATH MIB: that much of a byte that is not 0.
write_file() {
	mkdir -p "${1%/*}" && head -c "${2}M" /dev/zero | tr '\0' x >"$1"
}

# in_use_share: percent of the store in use, as statfs(2) of the mount says it.
in_use_share() {
	df --output=pcent "$MNT" | tail -n 1 | tr -dc 0-9
}
