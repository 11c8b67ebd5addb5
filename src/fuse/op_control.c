/* SPDX-License-Identifier: MIT */
/*
 * Operations on .baton: decode for control/, reply for it.
 *
 * A text is made whole at open and read from there. What changes executions is answered behind the
 * notifications it caused (notify_then()): when `baton release` returns, the names are gone for everybody.
 */
#include "fuse/op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "baton/interface.h"
#include "fuse/access.h"
#include "fuse/aside.h"
#include "fuse/caller.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/verdict.h"
#include "util/cleanup.h"
#include "util/fault.h"

struct control_caller opc_caller(fuse_req_t req)
{
	struct control_caller c;

	caller_get(req, &c.who);
	c.opener = c.who.uid;
	return c;
}

void opc_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	uid_t uid = fuse_req_ctx(req)->uid;
	struct fuse_entry_param e = { 0 };
	int r = 0;

	if (parent == CONTROL_DIR_NODE && aside_lookup(fs, name, &e)) {
		reply_entry(req, fs, &e);
		return;
	}
	if (parent == FUSE_ROOT_ID) {
		e.ino = CONTROL_DIR_NODE;
		e.entry_timeout = CACHE_SECONDS;
		r = control_getattr(fs->control, uid, CONTROL_DIR_NODE, &e.attr);
	} else {
		r = control_lookup(fs->control, uid, parent, name, &e.ino, &e.attr);
	}
	if (r < 0) {
		reply_err(req, r);
		return;
	}
	if (r > 0)
		known_ids_add_control(fs, e.ino);
	lock_assert_none();
	if (fuse_reply_entry(req, &e) < 0)
		control_forget(fs->control, e.ino, 1);
}

void opc_getattr(fuse_req_t req, fuse_ino_t nodeid)
{
	struct stat st;
	int r = control_getattr(fs_of(req)->control, fuse_req_ctx(req)->uid, nodeid, &st);

	if (r < 0)
		reply_err(req, r);
	else
		reply_attr(req, &st, 0);
}

/*
 * fi->fh of an open: the descriptor of its text, 0 if it was opened for writing only, with ACCESSLOG_FH if it is that;
 * and who opened it.
 */
static int text_of(const struct fuse_file_info *fi)
{
	return (int)((uint32_t)fi->fh & ~ACCESSLOG_FH);
}

static bool is_accesslog(const struct fuse_file_info *fi)
{
	return (uint32_t)fi->fh & ACCESSLOG_FH;
}

/* The text in a file of its own, which outlives this process with the open; or -errno. */
static int make_text(const char *bytes, size_t len)
{
	int fd = memfd_create("batonfs-text", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (len > 0 && pwrite(fd, bytes, len, 0) != (ssize_t)len) {
		(void)safe_close(fd);
		return -ENOMEM;
	}
	return fd;
}

static int open_text(struct fs *fs, fuse_req_t req, fuse_ino_t nodeid)
{
	struct control_caller caller = opc_caller(req);
	_cleanup_free_ char *bytes = NULL;
	size_t len;
	int r = control_read(fs->control, nodeid, &caller, &bytes, &len);

	return r < 0 ? r : make_text(bytes, len);
}

/* Nobody seeks in it: whoever reads too far and goes back would miss lines. */
static int open_accesslog(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi)
{
	int fd = make_text("", 0);
	int r = fd < 0 ? fd : opl_open(fs, req, fd);

	if (r < 0) {
		(void)safe_close(fd);
		return r;
	}
	fi->fh = ACCESSLOG_FH;
	fi->nonseekable = 1;
	return fd;
}

void opc_open(fuse_req_t req, fuse_ino_t nodeid, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	int fd = 0;

	fi->fh = 0;
	if (control_is_accesslog(fs->control, nodeid))
		fd = open_accesslog(fs, req, fi);
	else if ((fi->flags & O_ACCMODE) != O_WRONLY)
		fd = open_text(fs, req, nodeid);
	if (fd < 0) {
		reply_err(req, fd);
		return;
	}
	if (fd > 0)
		keep_fd(fd);
	fi->fh |= (uint64_t)fuse_req_ctx(req)->uid << 32 | (uint32_t)fd;
	fi->direct_io = 1; /* sizes are not known beforehand, contents change */
	fi->noflush = 1;
	lock_assert_none();
	if (fuse_reply_open(req, fi) < 0 && fd > 0) {
		if (is_accesslog(fi))
			opl_release(fs, fd);
		keep_fd_drop(fd);
		(void)safe_close(fd);
	}
}

void opc_read(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fuse_bufvec text = FUSE_BUFVEC_INIT(size);

	if (is_accesslog(fi)) {
		opl_read(req, text_of(fi), size, fi);
		return;
	}
	if (text_of(fi) == 0) {
		reply_err(req, -EBADF);
		return;
	}
	text.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	text.buf[0].fd = text_of(fi);
	text.buf[0].pos = off;
	lock_assert_none();
	(void)fuse_reply_data(req, &text, FUSE_BUF_NO_SPLICE);
}

void opc_release(fuse_req_t req, struct fuse_file_info *fi)
{
	const struct request_change *before = request_again(CHANGE_CLOSE);
	int fd = text_of(fi);

	if (is_accesslog(fi))
		opl_release(fs_of(req), fd);
	if (fd > 0 && !before) { /* else it may be closed, and its number another's */
		request_uncounts();
		request_closes();
		keep_fd_drop(fd);
		(void)safe_close(fd);
	}
	reply_err(req, 0);
}

/* An answer to a write that waits for the notifier. */
struct answer {
	fuse_req_t req;
	int err; /* negative errno, or 0 */
	size_t written;
	struct access_record *record; /* owned */
};

static void send_answer(void *arg)
{
	struct answer *a = arg;

	fs_op_now = FS_OP_write; /* in the notifier's thread */
	access_answered(fs_of(a->req), a->record, a->err);
	if (a->err < 0)
		reply_err(a->req, a->err);
	else
		reply_write(a->req, a->written);
	free(a);
}

static void answer_later(fuse_req_t req, int err, size_t written)
{
	struct answer *a = malloc(sizeof(*a));

	if (!a) {
		reply_err(req, err < 0 ? err : -ENOMEM);
		return;
	}
	*a = (struct answer){ .req = req, .err = err, .written = written };
	a->record = access_later(fs_of(req), false);
	notify_then(fs_of(req)->notify, send_answer, a);
}

/* Read from then on instead of the text. The first of an open counts: after that nothing can be written there. */
void opc_keep_reason(int fd, const struct control_reason *why)
{
	if (fd <= 0 || !why->text[0] || ftruncate(fd, 0) < 0)
		return;
	(void)!pwrite(fd, why->text, strlen(why->text), 0);
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
}

void opc_write(fuse_req_t req, fuse_ino_t nodeid, struct fuse_bufvec *in, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct control_caller caller = opc_caller(req);
	struct control_reason why;
	char text[CONTROL_WRITE_MAX + 1];
	size_t len = fuse_buf_size(in);
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(sizeof(text) - 1);
	ssize_t n;
	int r;

	caller.opener = (uid_t)(fi->fh >> 32);
	if (len > CONTROL_WRITE_MAX) {
		reply_err(req, -EINVAL);
		return;
	}
	out.buf[0].mem = text;
	n = fuse_buf_copy(&out, in, 0);
	if (n < 0) {
		reply_err(req, (int)n);
		return;
	}
	text[n] = '\0';
	r = control_write(fs->control, nodeid, &caller, text, (size_t)n, &why);
	if (r == -ENOENT && request_is_again() && control_is_release(fs->control, nodeid))
		r = 0; /* the last process has; and if it was somebody else, it is what is asked for */
	if (r == -EINPROGRESS) { /* for an upgrade */
		r = verdict_await(fs, req, text_of(fi), (size_t)n);
		if (r == 0)
			return;
	}
	if (r < 0)
		opc_keep_reason(text_of(fi), &why);
	answer_later(req, r, (size_t)n);
}

/* ---- listings ---- */

struct control_listing {
	fuse_req_t req;
	char *buf;
	size_t size;
	size_t used;
	bool plus;
};

static bool emit(void *arg, const char *name, const struct stat *st, uint64_t next)
{
	struct control_listing *l = arg;
	struct fuse_entry_param e = { .attr = *st };
	size_t room = l->size - l->used;
	char *at = l->buf + l->used;
	size_t need = l->plus ? fuse_add_direntry_plus(l->req, at, room, name, &e, (off_t)next)
			      : fuse_add_direntry(l->req, at, room, name, st, (off_t)next);

	if (need > room)
		return false;
	l->used += need;
	return true;
}

void opc_readdir(fuse_req_t req, fuse_ino_t nodeid, size_t size, off_t off, bool plus)
{
	_cleanup_free_ char *buf = malloc(size);
	struct control_listing l = { .req = req, .buf = buf, .size = size, .plus = plus };
	int r = buf ? control_readdir(fs_of(req)->control, fuse_req_ctx(req)->uid, nodeid,
				      (uint64_t)off, emit, &l)
		    : -ENOMEM;

	if (r < 0)
		reply_err(req, r);
	else
		reply_buf(req, l.buf, l.used);
}
