/* SPDX-License-Identifier: MIT */
/*
 * In use.
 */
#include "exec/in_use.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/blob_away.h"
#include "store/lease.h"
#include "store/stub.h"
#include "store/walk.h"
#include "util/cleanup.h"

/* Unit of st_blocks. Source: stat(2). */
#define BLOCK_BYTES 512

struct look {
	const struct store *store;
	const struct in_use_upcalls *up;
	struct in_use_room room;
};

/* 0 free or gone, -EBUSY in use. */
static int ask_lease(struct look *l, uint64_t ino, const struct handle *h)
{
	int ret = lease_in_use(l->store->fd, h);

	if (ret == 0 && l->up->is_lent)
		ret = l->up->is_lent(l->up->ctx, ino, h);
	if (ret == 1)
		return -EBUSY;
	if (ret == 0 && l->up->give_up)
		l->up->give_up(l->up->ctx, ino, h);
	return ret == -ESTALE || ret == -ENOENT ? 0 : ret;
}

/* A stub's part of its blob: of those that go together the sum is what they give back. */
static void add_shared_part(struct in_use_room *room, const struct store *store,
			    struct ledger *ledger, int fd)
{
	struct blob_name blob;
	struct stat st;
	uint64_t refs;
	uint64_t part;

	if (fd < 0 || fstat(fd, &st) < 0 || !stub_maybe(&st, false) ||
	    stub_get(fd, (uint64_t)st.st_size, &blob) < 0 ||
	    ledger_blob_refs(ledger, blob.text, &refs) < 0)
		return;
	part = (uint64_t)st.st_size / MAX_OF(refs, UINT64_C(1));
	if (blob_is_away(store->blobs, &blob))
		room->away_bytes += part;
	else
		room->bytes += part;
	room->shared = true;
}

static void add_file(struct in_use_room *room, const struct stat *st)
{
	room->bytes += (uint64_t)st->st_blocks * BLOCK_BYTES;
	room->inodes++;
}

static void add(struct look *l, int dirfd, const char *name, const struct stat *st)
{
	_cleanup_close_ int fd = -1;

	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		return;
	add_file(&l->room, st);
	if (!l->up->ledger || !stub_maybe(st, false))
		return;
	fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	add_shared_part(&l->room, l->store, l->up->ledger, fd);
}

void in_use_room_of(const struct store *store, struct ledger *ledger, const struct handle *h,
		    struct in_use_room *ret)
{
	_cleanup_close_ int fd = store_open_handle(store, h, O_PATH | O_NOFOLLOW);
	struct stat st;

	*ret = (struct in_use_room){ 0 };
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink != 1)
		return;
	add_file(ret, &st);
	add_shared_part(ret, store, ledger, fd);
}

static int look_at_entry(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct look *l = arg;

	(void)ret_tag;
	add(l, w->dirfd, w->name, w->st);
	return S_ISREG(w->st->st_mode) ? ask_lease(l, w->st->st_ino, w->handle) : 0;
}

static int look_at_flat(struct look *l, const char *name)
{
	struct handle h;
	struct stat st;

	if (fstatat(l->store->tree_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (handle_at(l->store->tree_fd, name, &h) < 0)
		return 0; /* gone meanwhile */
	add(l, l->store->tree_fd, name, &st);
	return S_ISREG(st.st_mode) ? ask_lease(l, st.st_ino, &h) : 0;
}

int in_use_check(const struct store *store, struct execution *e, const struct in_use_upcalls *up,
		 struct in_use_room *ret_room)
{
	struct look l = { .store = store, .up = up };
	struct handle dir;
	int ret = 0;

	if (exec_dir(e, &dir) == 0) {
		l.room.inodes++;
		ret = walk(store->fd, &dir, 0, look_at_entry, &l);
	}
	for (size_t i = 0; ret == 0; i++) {
		char name[256];

		if (!exec_flat_name(e, i, name, sizeof(name)))
			break;
		ret = look_at_flat(&l, name);
	}
	if (ret == 0)
		*ret_room = l.room;
	return ret;
}
