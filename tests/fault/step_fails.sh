#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# variants: ext4-on tmpfs-on
# builds: ci
# Each step on which contents come to be shared, or come home, or are copied without copying fails as on a full or a
# broken disk: all files read whole, nothing is left over that fsck would find, and work goes on. (What is left between
# the steps is tests/unit/test_stub.c's.)
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/fail.sh"

size=2500000

whole() {
	local f

	for f in "$MNT"/*/f; do
		cmp "$WORK/data" "$f" || fail "$point: $f"
	done
}

clean() {
	"$BATON" -m "$MNT" fsck >"$WORK/fsck"
}

is_clean() {
	(wait_until 20 clean) >/dev/null || fail "$point: $(cat "$WORK/fsck")"
}

is_stub() {
	getfattr -h --absolute-names -n trusted.batonfs.blob "$STORE/tree/$1" >/dev/null 2>&1
}

# are_stubs NAME...
are_stubs() {
	local f

	for f; do
		is_stub "$f" || return
	done
}

make_two() {
	cp "$WORK/data" "$MNT/1/f" && cp "$WORK/data" "$MNT/2/f" || fail "$point: cp"
}

# While it is shared: it does not happen, or it does; later it does.
share_fails() {
	fail_at "$@"
	make_two
	(wait_until 20 has_failed) >/dev/null || fail "$point is not passed"
	whole
	work_again
	is_clean
	whole
	(wait_until 30 are_stubs {1,2}/f) >/dev/null || fail "$point: not shared afterwards"
	whole
	rm "$MNT"/{1,2}/f
}

# While it comes home: who writes is told so, or his write is there.
home_fails() {
	fail_at "$@"
	if (echo more >>"$MNT/1/f") 2>/dev/null; then
		truncate -s $size "$MNT/1/f"
	fi
	has_failed || fail "$point is not passed"
	whole
	work_again
	is_clean
	whole
	rm "$MNT/1/f"
	cp "$WORK/data" "$MNT/1/f"
	(wait_until 30 are_stubs {1,2}/f) >/dev/null || fail "$point: not shared afterwards"
}

# On a busy machine cp may be so slow that the bytes are copied.
copy_fails() {
	fail_at "$@"
	until has_failed; do
		rm -f "$MNT/3/f"
		expect cp "$MNT/1/f" "$MNT/3/f"
	done
	whole
	work_again
	is_clean
	whole
	rm "$MNT/3/f"
}

head -c $size /dev/urandom >"$WORK/data"
mount_batonfs
sync=()
[ "$STORE_KIND" = tmpfs ] || sync=(sync)
for call in blob-make blob-size copy blob-link mark punch cut times \
	${sync:+blob-sync blob-linked-sync mark-sync}; do
	share_fails $call ENOSPC
done
for call in hash compare punch; do
	share_fails $call EIO
done

point=afterwards
make_two
wait_until 30 are_stubs {1,2}/f
for call in mark copy unmark ${sync:+home-sync}; do
	home_fails $call EIO
done
home_fails copy ENOSPC

# Attributes of its owner's leave no room for a longer mark.
fail_at mark ENOSPC
(echo more >>"$MNT/1/f") || fail "$point: append"
has_failed || fail "$point is not passed"
expect_eq more "$(tail -c 5 "$MNT/1/f")"
truncate -s $size "$MNT/1/f"
whole
work_again
is_clean
(wait_until 30 are_stubs {1,2}/f) >/dev/null || fail "$point: not shared afterwards"

copy_fails mark ENOSPC
copy_fails grow EIO

fail_at drop EIO
(: >"$MNT/1/f") 2>/dev/null && fail "cut in spite of EIO"
whole
work_again
is_clean

fail_at blob-unlink EIO
rm "$MNT"/*/f
wait_until 20 has_failed
work_again
no_blobs() {
	[ -z "$(ls "$STORE/blobs")" ]
}
wait_until 30 no_blobs
is_clean
unmount_batonfs
