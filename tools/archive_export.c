/* SPDX-License-Identifier: MIT */
/*
 * Read by libarchive's walk of a directory, with names from the mountpoint down. Several names of one file are written
 * once, the others as links to the first.
 */
#include "archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "baton/interface.h"
#include "field.h"
#include "progress.h"
#include "say.h"

/* Contents at a time. */
#define BLOCK_BYTES ((size_t)1 << 20)

struct exporter {
	const char *id;
	int fd;					  /* borrowed; where to */
	bool failed;				  /* nothing is written any more */
	struct archive *out;			  /* owned */
	struct archive_entry_linkresolver *links; /* owned */
	struct progress progress;
	struct archive_sums sums;
};

static int fails(struct archive *a, const char *what)
{
	archive_complain("export", what, a);
	return -EIO;
}

/* Not what it was when its size was written: the reader of the archive would not know. */
static int check_unchanged(const char *path, int fd, struct archive_entry *e)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_ino == (ino_t)archive_entry_ino64(e) && st.st_size == archive_entry_size(e) &&
	    st.st_mtim.tv_sec == archive_entry_mtime(e) &&
	    st.st_mtim.tv_nsec == archive_entry_mtime_nsec(e))
		return 0;
	say_error("export %s: it changed while it was read", path);
	return -EIO;
}

/*
 * What libarchive has found below the mountpoint. Whoever exchanges a directory for a link meanwhile leads root to no file
 * elsewhere; and nobody waits for who made it a pipe.
 */
static int open_beneath(const char *path)
{
	const struct open_how how = { .flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
				      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

/* libarchive knows holes by FIEMAP only, which FUSE has not. */
static void note_holes(int fd, off_t size, struct archive_entry *e)
{
	off_t data = lseek(fd, 0, SEEK_DATA);
	off_t end = 0;

	while (data >= 0 && data < size) {
		end = lseek(fd, data, SEEK_HOLE);
		if (end < 0)
			break;
		if (data > 0 || end < size)
			archive_entry_sparse_add_entry(e, data, end - data);
		data = lseek(fd, end, SEEK_DATA);
	}
	if (data < 0 && errno == ENXIO && end < size) /* behind the last data */
		archive_entry_sparse_add_entry(e, size, 0);
}

static int write_range(struct exporter *x, int fd, off_t at, off_t end, char *buf, const char *path)
{
	while (at < end) {
		ssize_t n = pread(fd, buf, MIN_OF(BLOCK_BYTES, (size_t)(end - at)), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			say_error("export %s: %s", path,
				  n < 0 ? strerror(errno) : "it changed while it was read");
			return -EIO;
		}
		if (archive_write_data(x->out, buf, (size_t)n) != n)
			return fails(x->out, path);
		at += n;
		x->sums.bytes += (uint64_t)n;
		progress_at(&x->progress, x->sums.bytes);
	}
	return 0;
}

/* libarchive's writer takes the data of a sparse file at its place, and wants zeros for the holes. */
static int write_content(struct exporter *x, int fd, struct archive_entry *e, const char *path)
{
	_cleanup_free_ char *buf = malloc(BLOCK_BYTES);
	static const char zeros[1 << 16];
	la_int64_t offset, length;
	off_t at = 0;
	int r = buf ? 0 : -ENOMEM;

	if (archive_entry_sparse_reset(e) == 0)
		return r ? r : write_range(x, fd, 0, archive_entry_size(e), buf, path);
	while (r == 0 && archive_entry_sparse_next(e, &offset, &length) == ARCHIVE_OK) {
		while (r == 0 && at < offset) {
			size_t n = MIN_OF(sizeof(zeros), (size_t)(offset - at));

			if (archive_write_data(x->out, zeros, n) != (la_ssize_t)n)
				r = fails(x->out, path);
			at += (off_t)n;
		}
		if (r == 0)
			r = write_range(x, fd, offset, offset + length, buf, path);
		at = offset + length;
	}
	return r;
}

/* A name; with the content if it is the first one of its file. */
static int write_entry(struct exporter *x, struct archive_entry *e)
{
	_cleanup_close_ int fd = -1;
	const char *path = archive_entry_pathname(e);
	bool has_content = archive_entry_filetype(e) == AE_IFREG && archive_entry_size(e) > 0 &&
			   !archive_entry_hardlink(e);
	int r = 0;

	if (has_content) {
		fd = open_beneath(path);
		if (fd < 0) {
			say_error("export %s: %s", path, strerror(errno));
			return -EIO;
		}
		r = check_unchanged(path, fd, e);
		if (r < 0)
			return r;
		note_holes(fd, archive_entry_size(e), e);
	}
	x->sums.files += archive_entry_filetype(e) == AE_IFREG;
	if (archive_write_header(x->out, e) < ARCHIVE_WARN)
		return fails(x->out, path);
	if (has_content)
		r = write_content(x, fd, e, path);
	if (r == 0 && archive_write_finish_entry(x->out) < ARCHIVE_WARN)
		return fails(x->out, path);
	return r == 0 && has_content ? check_unchanged(path, fd, e) : r;
}

/* Only what the user chose: not what a system keeps there. */
static int keep_user_xattrs(struct archive_entry *e)
{
	struct archive_entry *all = archive_entry_clone(e);
	const char *name;
	const void *value;
	size_t size;

	if (!all)
		return -ENOMEM;
	archive_entry_xattr_clear(e);
	(void)archive_entry_xattr_reset(all);
	while (archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK) {
		if (name && strncmp(name, "user.", strlen("user.")) == 0)
			archive_entry_xattr_add_entry(e, name, value, size);
	}
	archive_entry_free(all);
	return 0;
}

static int export_entry(struct exporter *x, struct archive_entry *entry)
{
	struct archive_entry *e = entry;
	struct archive_entry *other = NULL;
	mode_t type = archive_entry_filetype(e);

	if (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK) {
		say_error("export %s: neither a file, a directory nor a link: left out",
			  archive_entry_pathname(e));
		x->sums.skipped++;
		return 0;
	}
	if (keep_user_xattrs(e) < 0)
		return -ENOMEM;
	archive_entry_set_fflags(e, 0, 0);
	archive_entry_linkify(x->links, &e, &other);
	return e ? write_entry(x, e) : 0;
}

/* `path` and all below it, without following links. */
static int export_tree(struct exporter *x, const char *path)
{
	struct archive *disk = archive_read_disk_new();
	struct archive_entry *e = archive_entry_new();
	int r = disk && e ? 0 : -ENOMEM;

	if (r == 0) {
		(void)archive_read_disk_set_symlink_physical(disk);
		(void)archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_SPARSE |
								   ARCHIVE_READDISK_NO_FFLAGS);
		if (archive_read_disk_open(disk, path) != ARCHIVE_OK)
			r = fails(disk, path);
	}
	while (r == 0) {
		int got = archive_read_next_header2(disk, e);

		if (got == ARCHIVE_EOF)
			break;
		if (got < ARCHIVE_WARN)
			r = fails(disk, archive_entry_pathname(e) ?: path);
		else if (strcmp(archive_entry_pathname(e), x->id) != 0) /* which was first */
			r = export_entry(x, e);
		if (r == 0)
			(void)archive_read_disk_descend(disk);
	}
	archive_entry_free(e);
	(void)archive_read_free(disk);
	return r;
}

/* What is the execution's, as attributes of its directory. A virtual one has what is usual. */
static int export_directory(struct exporter *x, const json_t *execution, const json_t *status)
{
	struct archive_entry *e = archive_entry_new();
	const json_t *ttl = json_object_get(execution, "ttl");
	struct stat st = { .st_mode = S_IFDIR | 01777 };
	char text[64] = "never";
	int r;

	if (!e)
		return -ENOMEM;
	(void)lstat(x->id, &st);
	archive_entry_copy_stat(e, &st);
	archive_entry_set_pathname(e, x->id);
	archive_entry_set_size(e, 0);
	if (json_is_number(ttl))
		(void)snprintf(text, sizeof(text), "%.3f", json_number_value(ttl));
	if (!json_equal(ttl, json_object_get(status, "ttl"))) /* else it is the mount's */
		archive_entry_xattr_add_entry(e, BATON_XATTR_PREFIX "ttl", text, strlen(text));
	if (field_bool(execution, "pinned"))
		archive_entry_xattr_add_entry(e, BATON_XATTR_PREFIX "pinned", "1", 1);
	r = write_entry(x, e);
	archive_entry_free(e);
	return r;
}

static bool is_flat(const char *name, const char *id)
{
	char owner[BATON_ID_MAX + 1];
	size_t len = strlen(id);
	ssize_t n;

	if (strncmp(name, id, len) != 0 || !name[len] || !strchr("_-.", name[len]))
		return false;
	n = lgetxattr(name, BATON_XATTR_PREFIX "execution", owner, sizeof(owner) - 1);
	if (n < 0)
		return false;
	owner[n] = '\0';
	return strcmp(owner, id) == 0;
}

/* Files beside the directory: 4711_input.bin. */
static int export_flats(struct exporter *x)
{
	DIR *dir = opendir(".");
	struct dirent *d;
	int r = 0;

	if (!dir) {
		say_error("export %s: %s", x->id, strerror(errno));
		return -EIO;
	}
	while (r == 0 && (d = readdir(dir))) {
		struct stat st;

		if (is_flat(d->d_name, x->id) && lstat(d->d_name, &st) == 0 && !S_ISDIR(st.st_mode))
			r = export_tree(x, d->d_name);
	}
	(void)closedir(dir);
	return r;
}

/*
 * What libarchive writes. After a failure it goes nowhere: freed, it would end the archive as if that were whole
 * (archive_write_fail() prevents that, and leaks).
 */
static la_ssize_t put(struct archive *a, void *arg, const void *buf, size_t len)
{
	const struct exporter *x = arg;
	ssize_t n;

	if (x->failed)
		return (la_ssize_t)len;
	do
		n = write(x->fd, buf, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "Write error");
	return n;
}

static int open_writer(struct exporter *x, int fd)
{
	x->out = archive_write_new();
	x->links = archive_entry_linkresolver_new();
	if (!x->out || !x->links)
		return -ENOMEM;
	archive_entry_linkresolver_set_strategy(x->links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
	(void)archive_write_set_format_pax(x->out);
	(void)archive_write_set_options(x->out, "xattrheader=SCHILY"); /* as others write them */
	(void)archive_write_set_bytes_in_last_block(x->out, 1);
	x->fd = fd;
	return archive_write_open(x->out, x, NULL, put, NULL) == ARCHIVE_OK ? 0
									    : fails(x->out, x->id);
}

int archive_export(const struct client *c, const char *id, const json_t *execution, int fd,
		   struct archive_sums *ret)
{
	struct exporter x = { .id = id };
	_cleanup_json_ json_t *status = NULL;
	struct stat st;
	int r = client_read_json(c, "status.json", &status);

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* libarchive turns names into characters and back */
	if (r == 0 && chdir(c->path) < 0)
		r = -errno;
	if (r < 0) {
		say_error("export %s: %s", id, strerror(-r));
		return r;
	}
	progress_begin(&x.progress, (uint64_t)MAX_OF(field_int(execution, "bytes"), 0), NULL);
	r = open_writer(&x, fd);
	if (r == 0)
		r = export_directory(&x, execution, status);
	if (r == 0 && lstat(id, &st) == 0)
		r = export_tree(&x, id);
	if (r == 0)
		r = export_flats(&x);
	progress_end(&x.progress);
	if (r == 0 && archive_write_close(x.out) != ARCHIVE_OK)
		r = fails(x.out, id);
	x.failed = r < 0;
	archive_entry_linkresolver_free(x.links);
	(void)archive_write_free(x.out);
	if (r == 0)
		*ret = x.sums;
	return r;
}
