/* SPDX-License-Identifier: MIT */
/*
 * An archive is somebody else's. Every name in it is checked to be the execution's before libarchive writes it, which
 * follows no link on its way (SECURE_SYMLINKS); and root does it in a root directory that is the mount, so that nobody
 * who exchanges a directory for a link meanwhile leads it out.
 */
#include "archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "baton/interface.h"
#include "progress.h"
#include "say.h"
#include "undo.h"

/* Extraction: what is written, and what never. */
#define EXTRACT                                                                                    \
	(ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_XATTR |                     \
	 ARCHIVE_EXTRACT_ACL | ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT | \
	 ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

struct importer {
	const struct client *client;	     /* borrowed */
	const struct archive_wishes *wishes; /* borrowed */
	struct archive *in;		     /* owned */
	struct archive *disk;		     /* owned */
	char from[BATON_ID_MAX + 1];	     /* the ID in the archive */
	char to[BATON_ID_MAX + 1];	     /* the ID it gets; "": not known yet */
	bool begun;			     /* something was made */
	char marker[BATON_ID_MAX + 64];	     /* a directory in it until all of it is there */
	char release[BATON_ID_MAX + 64];     /* the file below .baton that releases it */
	const char *_Atomic half; /* borrowed; the file that is being written; NULL: none is */
	struct progress progress;
	struct archive_sums sums;
};

static int fails(struct archive *a, const char *what)
{
	archive_complain("import", what, a);
	return -EIO;
}

static int refuse(const char *path, const char *why)
{
	say_error("import %s: %s", path ? path : "?", why);
	return -EBADMSG;
}

/* ---- names ---- */

static const char *without_dots(const char *path)
{
	while (strncmp(path, "./", 2) == 0)
		path += 2 + strspn(path + 2, "/");
	return path;
}

static bool has_dot_dot(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += n + strspn(path + n, "/");
	}
	return false;
}

/* What stands behind the ID in a name of the execution: "/a", "_a", ""; NULL: it is none of its names. */
static const char *behind_id(const struct importer *x, const char *path)
{
	size_t len = strlen(x->from);

	if (strncmp(path, x->from, len) != 0)
		return NULL;
	path += len;
	if (!*path || *path == '/')
		return path;
	return strchr("_-.", *path) && !strchr(path, '/') ? path : NULL;
}

/* The name as it is here, malloc()ed; NULL: it is refused. */
static char *name_here(const struct importer *x, const char *path)
{
	const char *rest;
	char *name;

	if (!path || path[0] == '/' || has_dot_dot(path)) {
		(void)refuse(path, "leads out of the execution: the archive is not trusted");
		return NULL;
	}
	rest = behind_id(x, without_dots(path));
	if (!rest) {
		say_error("import %s: does not belong to execution %s: the archive is not trusted",
			  path, x->from);
		return NULL;
	}
	return asprintf(&name, "%s%s", x->to, rest) < 0 ? NULL : name;
}

/* ---- the execution ---- */

/* In it until all of it is there; no file, which a limit might count. */
static int make_marker(const struct importer *x)
{
	if (mkdir(x->to, 0777) < 0 && errno != EEXIST) /* as it is if it is virtual */
		return -errno;
	return mkdir(x->marker, 0700) < 0 ? -errno : 0;
}

/* The same as who it belonged to: who makes the first name in an execution is its owner. -ENOTRECOVERABLE: printed. */
static int make_marker_as(const struct importer *x, uid_t uid, gid_t gid)
{
	int r = -EPERM;

	if (setegid(gid) == 0 && seteuid(uid) == 0)
		r = make_marker(x);
	if (seteuid(0) == 0 && setegid(0) == 0)
		return r;
	say_error("import: cannot be root again: %s", strerror(errno));
	return -ENOTRECOVERABLE;
}

/* Where he may not, it is root's. */
static int make_begin(const struct importer *x, struct archive_entry *e)
{
	uid_t uid = (uid_t)archive_entry_uid(e);
	int r = -EPERM;

	if (geteuid() == 0 && uid != 0)
		r = make_marker_as(x, uid, (gid_t)archive_entry_gid(e));
	if (r == -ENOTRECOVERABLE)
		return r;
	if (r < 0)
		r = make_marker(x);
	if (r < 0)
		say_error("import %s: %s", x->to, strerror(-r));
	return r;
}

/* Also in a signal handler. */
static void undo(void *arg)
{
	const struct importer *x = arg;
	const char *half = atomic_load(&x->half);
	_cleanup_close_ int fd = -1;

	if (!x->wishes->merge) {
		fd = openat(x->client->dirfd, x->release, O_WRONLY | O_CLOEXEC);
		(void)!write(fd, "1", 1);
		return;
	}
	if (half)
		(void)unlink(half);
	(void)rmdir(x->marker);
}

static int make_room(struct importer *x)
{
	_cleanup_json_ json_t *e = NULL;
	int r = client_execution(x->client, x->to, &e);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && !x->wishes->force && !x->wishes->merge) {
		say_error("import %s: there is such an execution already: --merge adds to it, "
			  "--force releases it first, or say another ID",
			  x->to);
		return -EEXIST;
	}
	if (r == 0 && x->wishes->force)
		r = client_set(x->client, x->to, "release", "1");
	if (r < 0)
		client_complain(x->client, "import", x->to, r);
	return r;
}

/* The first entry tells which one it is. */
static int begin(struct importer *x, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e);
	uint64_t number;
	size_t len;
	int r;

	path = path ? without_dots(path) : "";
	len = strcspn(path, "/");
	if (archive_entry_filetype(e) != AE_IFDIR || path[len + strspn(path + len, "/")] ||
	    len > BATON_ID_MAX)
		return refuse(x->wishes->source,
			      "no archive of an execution: it does not begin with its directory");
	(void)snprintf(x->from, sizeof(x->from), "%.*s", (int)len, path);
	if (!client_id_ok(x->from))
		return refuse(x->wishes->source,
			      "no archive of an execution: its directory has no ID for a name");
	(void)snprintf(x->to, sizeof(x->to), "%s", x->wishes->id ? x->wishes->id : x->from);
	r = make_room(x);
	if (r == 0 && getrandom(&number, sizeof(number), 0) != sizeof(number))
		r = -EIO;
	if (r < 0)
		return r;
	(void)snprintf(x->marker, sizeof(x->marker), "%s/.baton-%016" PRIx64 ".part", x->to,
		       number);
	(void)snprintf(x->release, sizeof(x->release), "executions/%s/release", x->to);
	x->begun = true;
	undo_begin(undo, x);
	return make_begin(x, e);
}

/* ---- entries ---- */

/* Of the attributes, the user's; of our own, those that an execution can be given. */
static bool is_wanted_xattr(const char *name, bool is_execution)
{
	if (strncmp(name, BATON_XATTR_PREFIX, strlen(BATON_XATTR_PREFIX)) == 0)
		return is_execution && (strcmp(name, BATON_XATTR_PREFIX "ttl") == 0 ||
					strcmp(name, BATON_XATTR_PREFIX "pinned") == 0);
	return strncmp(name, "user.", strlen("user.")) == 0;
}

static void copy_xattrs(struct archive_entry *to, struct archive_entry *from, bool is_execution)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_clear(to);
	(void)archive_entry_xattr_reset(from);
	while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK) {
		if (name && is_wanted_xattr(name, is_execution))
			archive_entry_xattr_add_entry(to, name, value, size);
	}
}

/* Set-id bits would lend somebody's rights to whoever made the archive. */
static void make_harmless(struct archive_entry *e)
{
	mode_t mode = archive_entry_perm(e);

	archive_entry_set_perm(e, mode & (archive_entry_filetype(e) == AE_IFDIR ? 01777 : 0777));
	archive_entry_set_fflags(e, 0, 0);
}

/* What libarchive calls a warning here is lost content: a write that failed, as on a full store, or one cut short. */
static int copy_content(struct importer *x, const char *path)
{
	const void *block;
	la_int64_t offset;
	size_t size;

	for (;;) {
		int got = archive_read_data_block(x->in, &block, &size, &offset);

		if (got == ARCHIVE_EOF)
			return 0;
		if (got != ARCHIVE_OK)
			return fails(x->in, path);
		if (archive_write_data_block(x->disk, block, size, offset) != ARCHIVE_OK)
			return fails(x->disk, path);
		x->sums.bytes += size;
		progress_at(&x->progress, x->sums.bytes);
	}
}

static int write_entry(struct importer *x, struct archive_entry *e, const char *name)
{
	int r = 0;

	/* What is made of a warning: an attribute that the store does not take, say, is no failure. */
	if (archive_write_header(x->disk, e) < ARCHIVE_WARN)
		return fails(x->disk, name);
	if (!archive_entry_hardlink(e) && archive_entry_filetype(e) == AE_IFREG) {
		atomic_store(&x->half, name);
		r = copy_content(x, name);
	}
	if (r == 0 && archive_write_finish_entry(x->disk) < ARCHIVE_WARN)
		r = fails(x->disk, name);
	if (r < 0 && atomic_load(&x->half))
		(void)unlink(name);
	atomic_store(&x->half, NULL);
	return r;
}

static int import_entry(struct importer *x, struct archive_entry *in)
{
	_cleanup_free_ char *name = name_here(x, archive_entry_pathname(in));
	const char *link = archive_entry_hardlink(in);
	_cleanup_free_ char *target = link ? name_here(x, link) : NULL;
	mode_t type = archive_entry_filetype(in);
	struct archive_entry *e;
	int r;

	if (!name || (link && !target))
		return -EBADMSG;
	if (!link && type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
		say_error("import %s: neither a file, a directory nor a link: left out", name);
		x->sums.skipped++;
		return 0;
	}
	e = archive_entry_clone(in);
	if (!e)
		return -ENOMEM;
	archive_entry_copy_pathname(e, name);
	if (link)
		archive_entry_copy_hardlink(e, target);
	copy_xattrs(e, in, strcspn(name, "/") + 1 >= strlen(name) && type == AE_IFDIR);
	make_harmless(e);
	x->sums.files += link || type == AE_IFREG;
	r = write_entry(x, e, name);
	archive_entry_free(e);
	return r;
}

/* libarchive takes the end of the input for the end of the archive; that is two blocks of zeros, of which it has read one. */
static int check_end(struct importer *x)
{
	if (!x->to[0])
		return refuse(x->wishes->source, "it is empty");
	if (archive_filter_bytes(x->in, 0) > archive_read_header_position(x->in))
		return 0;
	return refuse(x->wishes->source, "it ends in the middle: that is not all of the archive");
}

static int import_all(struct importer *x)
{
	struct archive_entry *e;

	for (;;) {
		int got = archive_read_next_header(x->in, &e);
		int r = 0;

		if (got == ARCHIVE_EOF)
			return check_end(x);
		if (got < ARCHIVE_WARN)
			return fails(x->in, x->wishes->source);
		if (!x->to[0])
			r = begin(x, e);
		if (r == 0)
			r = import_entry(x, e);
		if (r < 0)
			return r;
	}
}

/* ---- all of it ---- */

static int open_reader(struct importer *x, int fd)
{
	int flags = EXTRACT | (geteuid() == 0 ? ARCHIVE_EXTRACT_OWNER : 0);

	x->in = archive_read_new();
	x->disk = archive_write_disk_new();
	if (!x->in || !x->disk)
		return -ENOMEM;
	(void)archive_read_support_format_tar(x->in);
	(void)archive_read_support_filter_gzip(x->in);
	(void)archive_read_support_filter_bzip2(x->in);
	(void)archive_read_support_filter_xz(x->in);
	(void)archive_read_support_filter_zstd(x->in);
	(void)archive_write_disk_set_options(x->disk, flags);
	if (archive_read_open_fd(x->in, fd, (size_t)1 << 20) != ARCHIVE_OK)
		return fails(x->in, x->wishes->source);
	return 0;
}

/* *ret_root: a descriptor of the root directory that there was, for leave_mount(); -1: it still is. */
static int enter_mount(const struct client *c, int *ret_root)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || chdir(c->path) < 0) {
		say_error("import: %s: %s", c->path, strerror(errno));
		return -EIO;
	}
	if (geteuid() != 0)
		return 0;
	if (chroot(".") == 0)
		*ret_root = TAKE_FD(root);
	else if (errno != EPERM) { /* a container's root may be without that right */
		say_error("import: chroot: %s", strerror(errno));
		return -EIO;
	}
	return 0;
}

static void leave_mount(int root)
{
	if (root >= 0 && (fchdir(root) < 0 || chroot(".") < 0))
		say_error("import: chroot: %s", strerror(errno));
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* In the end: what has failed is undone. */
static void finish(struct importer *x, int result)
{
	int r = 0;

	undo_end();
	if (result == 0 || !x->begun)
		return;
	if (x->wishes->merge)
		undo(x);
	else
		r = client_set(x->client, x->to, "release", "1");
	if (r < 0 && r != -ENOENT)
		say_error("import %s: what has come so far cannot be released: %s", x->to,
			  strerror(-r));
}

int archive_import(const struct client *c, int fd, const struct archive_wishes *wishes,
		   char *ret_id, struct archive_sums *ret)
{
	struct importer x = { .client = c, .wishes = wishes };
	_cleanup_close_ int root = -1;
	int r;

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive turns names into characters and back */
	progress_begin(&x.progress, size_of(fd), NULL);
	r = open_reader(&x, fd);
	if (r == 0)
		r = enter_mount(c, &root);
	if (r == 0)
		r = import_all(&x);
	progress_end(&x.progress);
	if (r == 0 && rmdir(x.marker) < 0) { /* before its directory gets its times */
		r = -errno;
		say_error("import %s: %s", x.to, strerror(-r));
	}
	/* Also after a failure: only this closes what was begun. */
	if (x.disk && archive_write_close(x.disk) < ARCHIVE_WARN && r == 0)
		r = fails(x.disk, x.to);
	(void)archive_write_free(x.disk);
	(void)archive_read_free(x.in);
	finish(&x, r);
	leave_mount(root);
	(void)snprintf(ret_id, BATON_ID_MAX + 1, "%s", x.to);
	if (r == 0)
		*ret = x.sums;
	return r;
}
