/* SPDX-License-Identifier: MIT */
/*
 * The ledger says whose the file is. Its path would say so, too, but a disk filesystem that has dropped the name from its
 * cache opens an inode without one.
 */
#include "fuse/forgotten.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fuse/node.h"
#include "util/cleanup.h"

struct search {
	uint64_t number;
	struct execution *found; /* a reference, the caller's */
};

static int match(void *arg, struct execution *e)
{
	struct search *s = arg;

	if (exec_number(e) != s->number)
		return 0;
	s->found = exec_ref(e);
	return -ECANCELED; /* no need to look further */
}

/* Its execution. What is on its way to the ledger may be just that. */
static int find_exec(struct fs *fs, uint64_t ino, struct execution **ret)
{
	struct search search = { 0 };
	struct ledger_twin row;
	int r = ledger_sync(fs->ledger);

	if (r == 0)
		r = ledger_file_find(fs->ledger, ino, &row);
	if (r < 0)
		return r == -ENODATA ? -ESTALE : r;
	search.number = row.execution;
	r = exec_each(fs->execs, match, &search);
	if (!search.found)
		return r < 0 ? r : -ESTALE;
	*ret = search.found;
	return 0;
}

static enum place place_of(const struct execution *e)
{
	switch (e->lifetime) {
	case LIFETIME_FILES:
		return PLACE_OTHER;
	case LIFETIME_EXTERNAL:
		return PLACE_N8N_DATA;
	case LIFETIME_TTL:
		break;
	}
	return PLACE_TREE;
}

/* As a lookup would (entry_lookup()), but for ->exec. */
static int describe(struct fs *fs, struct inode *ret)
{
	_cleanup_close_ int fd = store_open_handle(fs->store, &ret->handle, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != ret->ino || st.st_nlink == 0)
		return -ESTALE;
	ret->mode = S_IFREG;
	ret->size_accounted = (uint64_t)st.st_size;
	if (node_own_ttl(fs, fd) != LEDGER_TTL_DEFAULT)
		atomic_fetch_or(&ret->flags, INODE_TIMED);
	return 0;
}

static int make(struct fs *fs, uint64_t ino, const struct handle *h, struct inode **ret)
{
	struct inode like = { .ino = ino,
			      .handle = *h,
			      .exec_epoch = atomic_load(&fs->exec_epoch) };
	struct execution *e = NULL;
	bool is_new = false;
	int r = describe(fs, &like);

	if (r == 0)
		r = find_exec(fs, ino, &e);
	if (r < 0)
		return r;
	like.exec = e;
	like.place = (uint8_t)place_of(e);
	if (like.place == PLACE_OTHER)
		atomic_fetch_or(&like.flags, INODE_TIMED);
	r = itable_know(fs->itable, &like, ret, &is_new);
	if (r < 0 || !is_new)
		exec_unref(fs->execs, e);
	return r;
}

int forgotten_find(struct fs *fs, uint64_t ino, const struct handle *h, struct inode **ret)
{
	struct inode *inode = itable_peek(fs->itable, ino, h);

	if (!inode)
		return make(fs, ino, h, ret);
	*ret = inode;
	return 0;
}
