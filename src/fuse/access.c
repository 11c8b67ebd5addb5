/* SPDX-License-Identifier: MIT */
/*
 * Reads the kernel's messages beside libfuse. Nothing in them is relied on but the length that was read.
 */
#include "fuse/access.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fuse/node.h"
#include "fuse/node_exec.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/quote.h"

/* At most one line about slow requests in this time. Source: a sick disk makes all of them slow. */
#define SLOW_EVERY_NS (5 * NS_PER_S)

__thread struct access_now access_now;

/* A record's text while it is written. */
struct text {
	char *at;
	char *end;
};

PRINTF(2, 3) static void say(struct text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(t->at, (size_t)(t->end - t->at), fmt, args);
	va_end(args);
	t->at += n < 0 ? 0 : MIN_OF((ptrdiff_t)n, t->end - t->at - 1);
}

static void say_quoted(struct text *t, const char *name, const char *value)
{
	say(t, " %s=", name);
	if (t->end - t->at > 8)
		t->at += quote(value, t->at, (size_t)(t->end - t->at));
}

/* ---- the message ---- */

/* What stands behind the header: a structure of `skip` bytes, and `names` strings. */
struct shape {
	uint16_t skip;
	uint8_t names;
	bool in_directory; /* the (last) name is one in the directory that the header names */
};

static const struct shape shapes[] = {
	[FUSE_LOOKUP] = { 0, 1, true },
	[FUSE_UNLINK] = { 0, 1, true },
	[FUSE_RMDIR] = { 0, 1, true },
	[FUSE_SYMLINK] = { 0, 1, true }, /* and where it leads */
	[FUSE_MKNOD] = { sizeof(struct fuse_mknod_in), 1, true },
	[FUSE_MKDIR] = { sizeof(struct fuse_mkdir_in), 1, true },
	[FUSE_CREATE] = { sizeof(struct fuse_create_in), 1, true },
	[FUSE_LINK] = { sizeof(struct fuse_link_in), 1, true },
	[FUSE_RENAME] = { sizeof(struct fuse_rename_in), 2, true },
	[FUSE_RENAME2] = { sizeof(struct fuse_rename2_in), 2, true },
	[FUSE_GETXATTR] = { sizeof(struct fuse_getxattr_in), 1, false },
	[FUSE_SETXATTR] = { FUSE_COMPAT_SETXATTR_IN_SIZE, 1, false },
	[FUSE_REMOVEXATTR] = { 0, 1, false },
	[FUSE_OPEN] = { sizeof(struct fuse_open_in), 0, false },
	[FUSE_READ] = { sizeof(struct fuse_read_in), 0, false },
	[FUSE_WRITE] = { sizeof(struct fuse_write_in), 0, false },
	[FUSE_SETATTR] = { sizeof(struct fuse_setattr_in), 0, false },
	[FUSE_FALLOCATE] = { sizeof(struct fuse_fallocate_in), 0, false },
	[FUSE_COPY_FILE_RANGE] = { sizeof(struct fuse_copy_file_range_in), 0, false },
};

struct parsed {
	const void *body; /* of shape.skip bytes; NULL: shorter than that, or of no shape */
	const char *names[2];
	bool in_directory;
};

static void parse(const struct fuse_in_header *in, size_t len, struct parsed *ret)
{
	const char *p = (const char *)(in + 1);
	const char *end = (const char *)in + len;
	const struct shape *s = in->opcode < ARRAY_SIZE(shapes) ? &shapes[in->opcode] : NULL;

	*ret = (struct parsed){ .body = NULL };
	if (!s || (s->skip == 0 && s->names == 0) || end - p < s->skip)
		return;
	ret->body = p;
	ret->in_directory = s->in_directory;
	p += s->skip;
	for (unsigned int i = 0; i < s->names; i++) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));

		if (!nul)
			return;
		ret->names[i] = p;
		p = nul + 1;
	}
}

/* ---- where it is ---- */

/* The path of an inode that the kernel knows, from the mountpoint down, without the first slash. 0 or -errno. */
static int path_of_inode(struct fs *fs, struct inode *inode, char *buf, size_t len)
{
	struct dirref ref;
	int r;

	if (atomic_load(&inode->flags) &
	    INODE_AUTO) { /* it may be virtual: it has an ID, and no name else */
		(void)snprintf(buf, len, "%s", inode_auto_id(inode));
		return 0;
	}
	r = node_get(fs, inode, &ref);
	if (r < 0)
		return r;
	r = node_path(fs, ref.fd, buf, len);
	node_put(fs, &ref);
	return r;
}

static int path_of(struct fs *fs, uint64_t nodeid, char *buf, size_t len, bool *ret_directory)
{
	struct inode *inode;
	int r;

	buf[0] = '\0';
	*ret_directory = true;
	if (nodeid == FUSE_ROOT_ID)
		return 0;
	if (nodeid & CONTROL_NODE_BIT)
		return control_path(fs->control, nodeid, buf, len);
	inode = itable_ref(fs->itable, nodeid);
	if (!inode)
		return -ESTALE;
	*ret_directory = S_ISDIR(inode->mode);
	r = path_of_inode(fs, inode, buf, len);
	itable_unref(fs->itable, inode);
	return r;
}

/* ` exec=4711 path="/4711/a"`; of the entry `name` of the directory if that is not NULL. */
static void say_where(struct text *t, struct fs *fs, uint64_t nodeid, const char *name,
		      const char *field)
{
	char path[PATH_MAX + NAME_MAX + 3] = "/";
	struct rule_match rule;
	bool is_directory;
	size_t n;

	if (path_of(fs, nodeid, path + 1, PATH_MAX, &is_directory) < 0) {
		say(t, " node=%" PRIx64, nodeid); /* it has no name any more */
		path[1] = '\0';
		if (!name)
			return;
	}
	n = strlen(path);
	if (name) {
		(void)snprintf(path + n, sizeof(path) - n, "%s%s", n > 1 ? "/" : "", name);
		is_directory = rule_is_n8n_id(path + 1);
	}
	rule_match_path(path + 1, is_directory, &rule);
	/* What is just looked up at the top may be a directory, which has its name for an ID, or a file of none. */
	if (path[1] && !(nodeid & CONTROL_NODE_BIT) && (!name || rule.place != PLACE_OTHER))
		say(t, " %s=%s", strcmp(field, "path") == 0 ? "exec" : "to_exec", rule.id);
	say_quoted(t, field, path);
}

/* ---- what it is ---- */

static void say_open(struct text *t, uint32_t flags)
{
	static const char *const names[] = { "read", "write", "both", "both" };

	say(t, " for=%s%s", names[flags & O_ACCMODE], flags & O_TRUNC ? ",truncate" : "");
}

static void say_setattr(struct text *t, const struct fuse_setattr_in *s)
{
	if (s->valid & FATTR_SIZE)
		say(t, " size=%" PRIu64, (uint64_t)s->size);
	if (s->valid & FATTR_MODE)
		say(t, " mode=%04o", s->mode & 07777);
	if (s->valid & FATTR_UID)
		say(t, " owner=%u", s->uid);
	if (s->valid & FATTR_GID)
		say(t, " group=%u", s->gid);
}

static void say_arguments(struct text *t, const struct fuse_in_header *in, const struct parsed *p)
{
	const struct fuse_read_in *read_in = p->body; /* begins as that of a write does */
	const struct fuse_fallocate_in *fallocate_in = p->body;
	const struct fuse_copy_file_range_in *copy_in = p->body;

	switch (in->opcode) {
	case FUSE_OPEN:
		say_open(t, ((const struct fuse_open_in *)p->body)->flags);
		break;
	case FUSE_CREATE:
		say_open(t, ((const struct fuse_create_in *)p->body)->flags);
		break;
	case FUSE_READ:
	case FUSE_WRITE:
		say(t, " offset=%" PRIu64 " size=%u", (uint64_t)read_in->offset, read_in->size);
		break;
	case FUSE_SETATTR:
		say_setattr(t, p->body);
		break;
	case FUSE_FALLOCATE:
		say(t, " offset=%" PRIu64 " size=%" PRIu64, (uint64_t)fallocate_in->offset,
		    (uint64_t)fallocate_in->length);
		break;
	case FUSE_COPY_FILE_RANGE:
		say(t, " offset=%" PRIu64 " size=%" PRIu64, (uint64_t)copy_in->off_in,
		    (uint64_t)copy_in->len);
		break;
	default:
		break;
	}
	if (p->names[0] && !p->in_directory)
		say_quoted(t, "name", p->names[0]);
}

/* The other one of those that are about two. */
static void say_second(struct text *t, struct fs *fs, const struct fuse_in_header *in,
		       const struct parsed *p)
{
	switch (in->opcode) {
	case FUSE_RENAME:
		say_where(t, fs, ((const struct fuse_rename_in *)p->body)->newdir, p->names[1],
			  "to");
		break;
	case FUSE_RENAME2:
		say_where(t, fs, ((const struct fuse_rename2_in *)p->body)->newdir, p->names[1],
			  "to");
		break;
	case FUSE_COPY_FILE_RANGE:
		say_where(t, fs, ((const struct fuse_copy_file_range_in *)p->body)->nodeid_out,
			  NULL, "to");
		break;
	default:
		break;
	}
}

static void describe(struct fs *fs, const struct fuse_in_header *in, struct access_record *record)
{
	struct text t = { record->what, record->what + sizeof(record->what) };
	struct parsed p;

	record->what[0] = '\0';
	record->uid = in->uid;
	record->tid = in->pid;
	parse(in, in->len, &p);
	if (p.body)
		say_arguments(&t, in, &p);
	if (p.body && in->opcode == FUSE_LINK) { /* the header names where the new one goes */
		say_where(&t, fs, ((const struct fuse_link_in *)p.body)->oldnodeid, NULL, "path");
		say_where(&t, fs, in->nodeid, p.names[0], "to");
		return;
	}
	say_where(&t, fs, in->nodeid, p.in_directory ? p.names[0] : NULL, "path");
	if (p.body)
		say_second(&t, fs, in, &p);
}

/* What this thread serves, if that is told of. */
static const struct fuse_in_header *message_now(void)
{
	const struct fuse_in_header *in = access_now.message;

	if (!in || access_now.len < sizeof(*in) || in->len != access_now.len)
		return NULL;
	switch (in->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_NOTIFY_REPLY:
		return NULL;
	default:
		return in;
	}
}

void access_describe(struct fs *fs)
{
	const struct fuse_in_header *in = message_now();

	if (!in)
		return;
	access_now.record.begun_real_ns = clock_ns(CLOCK_REALTIME);
	describe(fs, in, &access_now.record);
	access_now.told = true;
}

/* ---- told ---- */

/* The line of an operation; `when` leads it if that is not "". */
static void make_line(const struct access_record *r, const char *when, int64_t took_ns, int err,
		      char *line, size_t size)
{
	(void)snprintf(line, size,
		       "%s%spid=%u uid=%u op=%s result=%s took=%" PRId64 ".%06" PRId64 "%s", when,
		       *when ? " " : "", r->tid, r->uid, fs_op_name(r->op),
		       err < 0 ? log_errname(err) : "ok", took_ns / NS_PER_S,
		       took_ns % NS_PER_S / NS_PER_US, r->what);
}

static void tell_readers(struct fs *fs, const struct access_record *r, int64_t took_ns, int err)
{
	time_t seconds = (time_t)(r->begun_real_ns / NS_PER_S);
	char line[ACCESSLOG_LINE_MAX];
	char when[40];
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&seconds, &tm))
		n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(when + n, sizeof(when) - n, ".%06dZ",
		       (int)(r->begun_real_ns % NS_PER_S / NS_PER_US));
	make_line(r, when, took_ns, err, line, sizeof(line));
	accesslog_add(fs->accesslog, r->uid, (pid_t)r->tid, line);
}

static bool is_slow(const struct fs *fs, int64_t took_ns)
{
	return took_ns >= atomic_load_explicit(&fs->slow_ns, memory_order_relaxed);
}

static void tell_log(struct fs *fs, const struct access_record *r, int64_t took_ns, int err)
{
	int64_t now = clock_mono_ns();
	int64_t next = atomic_load(&fs->slow_next_mono_ns);
	char line[ACCESSLOG_LINE_MAX];
	uint64_t untold;

	fs_add(&fs->slow, 1);
	if (now < next ||
	    !atomic_compare_exchange_strong(&fs->slow_next_mono_ns, &next, now + SLOW_EVERY_NS)) {
		fs_add(&fs->slow_untold, 1);
		return;
	}
	untold = atomic_exchange(&fs->slow_untold, 0);
	make_line(r, "", took_ns, err, line, sizeof(line));
	if (untold > 0)
		log_warning("slow request %s (%" PRIu64 " more since the last such line)", line,
			    untold);
	else
		log_warning("slow request %s", line);
}

void access_tell(struct fs *fs, int64_t took_ns)
{
	struct access_record *r = &access_now.record;
	const struct fuse_in_header *in = message_now();
	bool slow = is_slow(fs, took_ns);

	if (!in)
		return;
	r->op = fs_op_now;
	if (access_now.told)
		tell_readers(fs, r, took_ns, fs_err_now);
	else
		describe(fs, in, r);
	if (slow)
		tell_log(fs, r, took_ns, fs_err_now);
}

/* ---- answered later ---- */

struct access_record *access_later(struct fs *fs, bool waits)
{
	const struct fuse_in_header *in = message_now();
	bool told = access_now.told;
	struct access_record *r = NULL;

	access_silent();
	if (in && (told || (!waits && is_slow(fs, INT64_MAX - 1))))
		r = malloc(sizeof(*r));
	if (!r)
		return NULL;
	if (told) {
		*r = access_now.record;
	} else {
		r->begun_real_ns = 0;
		describe(fs, in, r);
	}
	r->later_mono_ns = clock_mono_ns();
	r->waits = waits;
	r->op = fs_op_now;
	return r;
}

void access_answered(struct fs *fs, struct access_record *r, int err)
{
	int64_t took_ns;

	if (!r)
		return;
	took_ns = clock_mono_ns() - r->later_mono_ns;
	if (r->begun_real_ns)
		tell_readers(fs, r, took_ns, err);
	if (!r->waits && is_slow(fs, took_ns))
		tell_log(fs, r, took_ns, err);
	free(r);
}
