#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: ext4-on xfs-on tmpfs-on ext4-off
# builds: ci
# kill -9 at each step on which a file's content goes into a blob or comes back, and of the blob's removal: every
# file reads whole at once and for ever after, the next start settles what was left, and nothing is left over.
. "$TESTS/lib/mount.sh"

size=2500000
files=(1/f 2/f 3/f)

blobs() {
	ls "$STORE/blobs"
}

is_stub() {
	getfattr -h --absolute-names -n trusted.batonfs.blob "$STORE/tree/$1" >/dev/null 2>&1
}

all_stubs() {
	local f

	for f in "${files[@]}"; do
		is_stub "$f" || return
	done
}

make_files() {
	local f

	for f in "${files[@]}"; do
		cp "$WORK/data" "$MNT/$f" 2>/dev/null || return 0 # the daemon may die of the first two
	done
}

# The files that are there have the right content; $1: of file 1, if another.
whole() {
	local f

	for f in "${files[@]}"; do
		[ -e "$MNT/$f" ] || continue
		[ "$f" = 1/f ] && [ -e "$WORK/other" ] && cmp -s "$WORK/other" "$MNT/$f" && continue
		cmp "$WORK/data" "$MNT/$f" || fail "$point: $f $1"
	done
	[ ! -s "$MNT/4/f" ] || cmp "$WORK/data" "$MNT/4/f" || fail "$point: the copy $1"
}

settled() {
	"$BATON" -m "$MNT" fsck
}

# round POINT PREPARE DO: the daemon dies at the fault point of DO, when PREPARE is done. Garbage goes by itself.
round() {
	point=$1
	mount_batonfs
	"$2"
	unmount_batonfs
	BATONFS_FAULT=$point mount_batonfs -o takeover=off
	"$3"
	(wait_until 60 gone "$(daemon_pid)") >/dev/null || fail "$point is not passed"
	fusermount3 -uz "$MNT"
	unset "mount_pid[$MNT]"

	mount_batonfs
	whole "at once"
	(wait_until 30 settled) >"$WORK/unsettled" || fail "$point: $(cat "$WORK/unsettled")"
	whole "settled"
	unmount_batonfs
	mount_batonfs
	whole "after another start"
	rm -f "$MNT"/*/f "$WORK/other"
	(wait_until 30 no_blobs) >/dev/null || fail "$point: blobs are left: $(blobs)"
	unmount_batonfs
}

no_blobs() {
	[ -z "$(blobs)" ]
}

nothing() {
	:
}

share_all() {
	make_files
	(wait_until 60 all_stubs) >/dev/null || fail "$point: not shared: $("$BATON" -m "$MNT" gc)"
}

append() {
	{ cat "$WORK/data" && echo more; } >"$WORK/other"
	echo more 2>/dev/null >>"$MNT/1/f"
}

cut() {
	: >"$WORK/other"
	: 2>/dev/null >"$MNT/1/f"
}

# Nobody has been told that it is there. On a busy machine cp may be so slow that the bytes are copied.
copy() {
	while cp "$MNT/1/f" "$MNT/4/f" 2>/dev/null; do
		rm -f "$MNT/4/f"
	done
}

remove() {
	rm -f "$MNT"/*/f
}

head -c $size /dev/urandom >"$WORK/data"
for p in blob-filled blob-linked share-blob marked punched restored stubbed share-first share-both marked:3 punched:3; do
	round $p nothing make_files
done
for p in homeward copied home unmarked; do
	round $p share_all append
done
round cut share_all cut
for p in marked-empty grown; do
	round $p share_all copy
done
for p in garbage blob-doomed; do
	round $p share_all remove
done
