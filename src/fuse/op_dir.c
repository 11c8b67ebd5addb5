/* SPDX-License-Identifier: MIT */
/*
 * Listings. There are no open directories here (opendir answers ENOSYS, and the kernel stops asking): each
 * request opens the directory, goes to the offset, which is the backing filesystem's own cookie, and reads.
 *
 * With `privacy` opendir is answered, so that the kernel keeps no listing that is not the same for all, and so that an
 * open of a directory that was nobody's then is known for one.
 */
#include "fuse/op.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuse/node_exec.h"
#include "fuse/private.h"
#include "fuse/reply.h"
#include "fuse/target.h"
#include "util/cleanup.h"
#include "util/dir.h"

/* Most a reply holds, bytes. Source: FUSE_MAX_MAX_PAGES (256) pages of 4 KiB in the kernel. */
#define REPLY_MAX (1024 * 1024)

/* Entries are read from the backing directory in pieces of at most this size. */
#define READ_BYTES 32768

/*
 * The longest entry of a reply, and what one takes there for 24 bytes read (the shortest name): bytes, without
 * and with attributes. Source: struct fuse_dirent and fuse_direntplus, and NAME_MAX.
 */
#define ENTRY_MAX (24 + 256)
#define ENTRY_PLUS_MAX (128 + ENTRY_MAX)
#define ENTRY_PLUS_PER_READ ((128 + 24 + 8) / 24)

/* fi->fh of a directory that was virtual when it was opened; else 0. */
#define OPENED_VIRTUAL 1

/* A reply under construction. */
struct listing {
	fuse_req_t req;
	struct fs *fs;
	struct inode *dir;
	int fd;
	bool plus;
	char *buf;
	size_t size;
	size_t used;
};

/* Directories that batonfs made have a number of their own. */
static uint64_t shown_ino(struct listing *l, const char *name, uint64_t ino)
{
	struct execution *e;

	if (l->dir->place != PLACE_ROOT || !rule_is_id(name))
		return ino;
	e = exec_lookup(l->fs->execs, name);
	if (e) {
		uint64_t own;

		if (exec_dir_is_auto(e, &own))
			ino = own;
		exec_unref(l->fs->execs, e);
	}
	return ino;
}

/* What the backing filesystem calls the parent may be a directory with a number of its own, too. */
static uint64_t parent_ino(struct listing *l, uint64_t ino)
{
	struct execution *e = node_exec(l->fs, l->dir);
	struct handle above;
	struct handle dir;
	uint64_t own;

	if (!e) /* the root's is itself, as at the top of any filesystem */
		return l->dir->ino;
	if (exec_dir_is_auto(e, &own) && handle_at(l->fd, "..", &above) == 0 &&
	    exec_dir(e, &dir) == 0 && handle_equal(&above, &dir))
		ino = own;
	exec_unref(l->fs->execs, e);
	return ino;
}

static bool add_plain(struct listing *l, const char *name, uint64_t ino, uint32_t type, off_t next)
{
	struct stat st = { .st_ino = ino, .st_mode = type << 12 };
	size_t room = l->size - l->used;
	size_t need = fuse_add_direntry(l->req, l->buf + l->used, room, name, &st, next);

	if (need > room)
		return false;
	l->used += need;
	return true;
}

static bool add_plus(struct listing *l, const char *name, uint64_t ino, uint32_t type, off_t next)
{
	struct fuse_entry_param e = { .attr = { .st_ino = ino, .st_mode = type << 12 } };
	size_t room = l->size - l->used;
	size_t need;

	/* Room first: a lookup that does not fit would have to be given back. */
	if (fuse_add_direntry_plus(l->req, NULL, 0, name, &e, next) > room)
		return false;
	if (!dir_is_dot(name) && entry_lookup(l->fs, l->dir, l->fd, name, &e) < 0)
		e = (struct fuse_entry_param){ .attr = { .st_ino = ino, .st_mode = type << 12 } };
	need = fuse_add_direntry_plus(l->req, l->buf + l->used, room, name, &e, next);
	l->used += need;
	return true;
}

static bool add(struct listing *l, const char *name, uint64_t ino, uint32_t type, off_t next)
{
	if (dir_is_dot(name))
		ino = name[1] ? parent_ino(l, ino) : l->dir->ino;
	if (l->plus)
		return add_plus(l, name, ino, type, next);
	return add_plain(l, name, shown_ino(l, name, ino), type, next);
}

/* What a virtual directory holds. */
static int list_nothing(struct listing *l, off_t off)
{
	if (off < 1 && !add(l, ".", l->dir->ino, DT_DIR, 1))
		return 0;
	if (off < 2)
		(void)add(l, "..", itable_find(l->fs->itable, FUSE_ROOT_ID)->ino, DT_DIR, 2);
	return 0;
}

/*
 * How much to read next: what fits into the rest of the reply, for what does not is read once more by the
 * next request. 0: the reply is full.
 */
static size_t to_read(const struct listing *l)
{
	size_t room = l->size - l->used;

	if (l->used > 0 && room < (l->plus ? ENTRY_PLUS_MAX : ENTRY_MAX))
		return 0;
	if (l->plus)
		room /= ENTRY_PLUS_PER_READ;
	return MIN_OF(MAX_OF(room, (size_t)ENTRY_MAX), (size_t)READ_BYTES);
}

static bool is_shown(const struct listing *l, const char *name)
{
	return l->dir->place != PLACE_ROOT || dir_is_dot(name) ||
	       private_lists(l->fs, l->req, l->fd, name);
}

static int list_fd(struct listing *l, off_t off)
{
	char chunk[READ_BYTES] __attribute__((aligned(8)));
	size_t want;

	if (off && lseek(l->fd, off, SEEK_SET) < 0)
		return -errno;
	while ((want = to_read(l)) > 0) {
		long n = syscall(SYS_getdents64, l->fd, chunk, want);

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(void *)(chunk + at);

			at += d->d_reclen;
			if (private_is_on(l->fs) && !is_shown(l, d->d_name))
				continue;
			if (!add(l, d->d_name, d->d_ino, d->d_type, d->d_off))
				return 0;
		}
	}
	return 0;
}

static void list(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, bool plus,
		 const struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	_cleanup_free_ char *buf = NULL;
	_cleanup_close_ int fd = -1;
	struct listing l = { .req = req, .fs = fs, .plus = plus };
	int r = 0;

	fs_count(fs, FS_OP_readdir);
	if (is_control(nodeid)) {
		opc_readdir(req, nodeid, size, off, plus);
		return;
	}
	l.size = MIN_OF(size, (size_t)REPLY_MAX);
	l.buf = buf = malloc(l.size);
	l.dir = node_find(fs, nodeid);
	if (!buf || !l.dir) {
		reply_err(req, buf ? -ESTALE : -ENOMEM);
		return;
	}
	l.fd = fd = node_open(fs, l.dir, O_RDONLY | O_DIRECTORY);
	if (private_is_on(fs) && fi->fh == OPENED_VIRTUAL)
		r = private_check_dir(fs, req, l.dir);
	if (r < 0)
		; /* it has become somebody else's since */
	else if (fd == -ENOENT && atomic_load(&l.dir->flags) & INODE_AUTO)
		r = list_nothing(&l, off);
	else
		r = fd < 0 ? fd : list_fd(&l, off);
	if (r == -ESTALE || r == -ENOENT) /* removed, but somebody's working directory: empty */
		r = 0;
	if (r < 0 && l.used == 0)
		reply_err(req, r);
	else
		reply_buf(req, l.buf, l.used);
}

void op_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	list(req, nodeid, size, off, false, fi);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	list(req, nodeid, size, off, true, fi);
}

void op_opendir(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct inode *dir = is_control(nodeid) ? NULL : node_find(fs, nodeid);
	struct handle h;
	int r = is_control(nodeid) ? 0 : -ESTALE;

	fs_count(fs, FS_OP_readdir);
	if (dir)
		r = private_check_dir(fs, req, dir);
	if (dir && r == 0)
		r = node_handle(fs, dir, &h);
	fi->fh = r == -ENOENT ? OPENED_VIRTUAL : 0;
	if (dir && r == 0 && dir->place != PLACE_ROOT) /* as without opendir */
		fi->cache_readdir = fi->keep_cache = 1;
	if (r < 0 && r != -ENOENT)
		reply_err(req, r);
	else
		reply_opendir(req, fi);
}

void op_releasedir(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	(void)nodeid;
	(void)fi;
	reply_err(req, 0);
}
