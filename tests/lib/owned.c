/* SPDX-License-Identifier: MIT */
#include "owned.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define XATTR_NAME "user.load"

void owned_die(const char *format, ...)
{
	int err = errno;
	struct timespec now;
	va_list args;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr, "%lld.%06ld: ", (long long)now.tv_sec, now.tv_nsec / 1000);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(err));
	exit(1);
}

const char *owned_path(const struct owned *o, unsigned int name, char *buf)
{
	(void)snprintf(buf, OWNED_PATH_MAX, "%s%c", o->prefix, 'a' + (int)name);
	return buf;
}

void owned_fill(char *buf, uint32_t tag, size_t from, size_t len)
{
	uint32_t start = tag * UINT32_C(2654435761);

	for (size_t i = from; i < from + len; i++)
		*buf++ = (char)(start + i * 7 + (i >> 9) + 1);
}

/* ---- what is there, against the model ---- */

static void check_content(struct owned *o, int fd, const struct owned_file *f, const char *path)
{
	ssize_t n = pread(fd, o->got, sizeof(o->got), 0);

	if (n < 0)
		owned_die("read %s", path);
	owned_fill(o->want, f->tag, 0, f->size);
	if ((size_t)n != f->size || memcmp(o->got, o->want, f->size) != 0)
		owned_die("%s: content is not its own: %zd bytes, expected %u of tag %u", path, n,
			  f->size, f->tag);
}

static void check_xattr(const struct owned_file *f, const char *path)
{
	char value[32] = "";
	ssize_t n = getxattr(path, XATTR_NAME, value, sizeof(value) - 1);

	if (n < 0 && errno != ENODATA)
		owned_die("getxattr %s", path);
	if (f->xattr != (n < 0 ? 0 : (uint32_t)strtoul(value, NULL, 10)))
		owned_die("%s: attribute is '%s', expected %u", path, value, f->xattr);
}

unsigned int owned_links(const struct owned *o, unsigned int inode)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < OWNED_NAMES; i++)
		n += o->names[i].kind == OWNED_FILE && o->names[i].inode == inode;
	return n;
}

static void check_file(struct owned *o, unsigned int inode, const char *path, const struct stat *st)
{
	struct owned_file *f = &o->files[inode];
	int fd;

	if (!S_ISREG(st->st_mode) || (st->st_mode & 0777) != f->mode ||
	    st->st_nlink != owned_links(o, inode) || (size_t)st->st_size != f->size)
		owned_die("%s: mode %o links %u size %lld, expected %o %u %u", path, st->st_mode,
			  (unsigned int)st->st_nlink, (long long)st->st_size, f->mode,
			  owned_links(o, inode), f->size);
	if (f->ino && st->st_ino != f->ino)
		owned_die("%s: inode number %llu was %llu", path, (unsigned long long)st->st_ino,
			  (unsigned long long)f->ino);
	f->ino = st->st_ino;
	check_xattr(f, path);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		owned_die("open %s", path);
	check_content(o, fd, f, path);
	if (close(fd) < 0)
		owned_die("close %s", path);
}

static void check_symlink(const char *path, unsigned int target)
{
	char value[64] = "";
	char want[64];

	(void)snprintf(want, sizeof(want), "to %u", target);
	if (readlink(path, value, sizeof(value) - 1) < 0)
		owned_die("readlink %s", path);
	if (strcmp(value, want) != 0)
		owned_die("%s leads to '%s', expected '%s'", path, value, want);
}

/* A directory has a file in it that is called after the directory's number, or nothing. */
static void check_directory(const char *path, unsigned int number)
{
	char inside[OWNED_PATH_MAX + 16];

	(void)snprintf(inside, sizeof(inside), "%s/%u", path, number);
	if ((access(inside, F_OK) == 0) != (number % 2 == 1))
		owned_die("%s %s", inside, number % 2 ? "is missing" : "is there");
}

void owned_check(struct owned *o, unsigned int name)
{
	const struct owned_name *n = &o->names[name];
	char path[OWNED_PATH_MAX];
	struct stat st;

	if (lstat(owned_path(o, name, path), &st) < 0) {
		if (errno != ENOENT || n->kind != OWNED_NONE)
			owned_die("lstat %s, of kind %d", path, n->kind);
		return;
	}
	switch (n->kind) {
	case OWNED_NONE:
		owned_die("%s is there (mode %o) and must not", path, st.st_mode);
	case OWNED_FILE:
		check_file(o, n->inode, path, &st);
		break;
	case OWNED_SYMLINK:
		check_symlink(path, n->inode);
		break;
	case OWNED_DIRECTORY:
		check_directory(path, n->inode);
		break;
	}
}

void owned_check_held(struct owned *o)
{
	for (unsigned int i = 0; i < OWNED_HELD; i++) {
		const struct owned_held *h = &o->held[i];
		struct owned_file *f = &o->files[h->inode];
		struct stat st;

		if (h->fd < 0)
			continue;
		if (fstat(h->fd, &st) < 0)
			owned_die("fstat of an open file");
		if (st.st_nlink != owned_links(o, h->inode) || st.st_ino != f->ino)
			owned_die("an open file: inode %llu links %u, expected %llu %u",
				  (unsigned long long)st.st_ino, (unsigned int)st.st_nlink,
				  (unsigned long long)f->ino, owned_links(o, h->inode));
		check_content(o, h->fd, f, "an open file");
		if (h->map && f->size >= h->mapped && memcmp(h->map, o->want, h->mapped) != 0)
			owned_die("a mapping is not its file's");
	}
}

/* ---- the log ---- */

void owned_log(struct owned *o, unsigned int name)
{
	const struct owned_name *n = &o->names[name];

	if (n->kind == OWNED_FILE) {
		const struct owned_file *f = &o->files[n->inode];

		fprintf(o->log, "i %u %u %u %u %o\n", n->inode, f->tag, f->size, f->xattr, f->mode);
	}
	fprintf(o->log, "n %u %d %u\n", name, n->kind, n->inode);
	(void)fflush(o->log);
}

void owned_read_log(struct owned *o)
{
	char line[128];

	while (fgets(line, sizeof(line), o->log)) {
		unsigned int at, kind, inode, tag, size, xattr, mode;

		if (sscanf(line, "n %u %u %u", &at, &kind, &inode) == 3 && at < OWNED_NAMES)
			o->names[at] = (struct owned_name){ (enum owned_kind)kind, inode };
		else if (sscanf(line, "i %u %u %u %u %o", &at, &tag, &size, &xattr, &mode) == 5 &&
			 at < OWNED_FILES)
			o->files[at] = (struct owned_file){ tag, size, xattr, mode, 0 };
		else
			owned_die("log: %s", line);
	}
}
