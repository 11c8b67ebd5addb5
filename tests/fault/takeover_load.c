/* SPDX-License-Identifier: MIT */
/*
 * A client that owns its names (lib/owned.h), while the worker is killed: no error is excused, what was acknowledged
 * must be there at once and at the end, and what must be refused is tried, too.
 *
 *     takeover_load PREFIX LOG DONE SEED    until the file DONE is there; prints the number of steps
 *     takeover_load -c PREFIX LOG           is everything as the log says
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "owned.h"

#define MODE 0644

/* All content of this size and more is one of a few, so that files are found to be the same. */
#define SAME_BYTES (1U << 20)
#define SAME_TAGS 3

struct client {
	struct owned owned;
	uint64_t dice;
	uint32_t next_tag;
	uint32_t next_directory;
	unsigned long steps;
};

static uint32_t roll(struct client *c, uint32_t n)
{
	c->dice = c->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(c->dice >> 33) % n;
}

static uint32_t any_size(struct client *c)
{
	switch (roll(c, 32)) {
	case 0:
		return SAME_BYTES + roll(c, 3) * 600000;
	case 1:
	case 2:
		return roll(c, 200000);
	default:
		return roll(c, 9000);
	}
}

/* A file that has neither a name nor an open. */
static unsigned int unused_file(const struct client *c)
{
	for (unsigned int i = 1; i < OWNED_FILES; i++) {
		bool held = false;

		for (unsigned int h = 0; h < OWNED_HELD; h++)
			held |= c->owned.held[h].fd >= 0 && c->owned.held[h].inode == i;
		if (!held && owned_links(&c->owned, i) == 0)
			return i;
	}
	errno = ENFILE;
	owned_die("no file is left");
}

static void must(int r, const char *what, const char *path)
{
	if (r < 0)
		owned_die("%s %s", what, path);
}

/* It is refused, and with this error. */
static void must_not(int r, int err, const char *what, const char *path)
{
	if (r >= 0 || errno != err)
		owned_die("%s %s: expected %s, got %d", what, path, strerror(err), r);
}

/* To the end of the file, in pieces. */
static void write_content(struct client *c, int fd, uint32_t tag, uint32_t from, uint32_t size,
			  const char *path)
{
	uint32_t piece = 1 + roll(c, 2) * 4095 + roll(c, 2) * 65536;

	if (size / piece > 200)
		piece = 65536;
	owned_fill(c->owned.want, tag, from, size - from);
	for (uint32_t at = from; at < size;) {
		uint32_t len = size - at < piece ? size - at : piece;
		ssize_t n = write(fd, c->owned.want + (at - from), len);

		must(n < 0 ? -1 : 0, "write", path);
		at += (uint32_t)n;
	}
	if (roll(c, 64) == 0)
		must(fsync(fd), "fsync", path);
}

static void new_content(struct client *c, unsigned int inode, int fd, const char *path)
{
	struct owned_file *f = &c->owned.files[inode];

	f->size = any_size(c);
	f->tag = f->size >= SAME_BYTES ? roll(c, SAME_TAGS) : c->next_tag++;
	write_content(c, fd, f->tag, 0, f->size, path);
}

/* Not what may be shared: who has that open goes on with it when it is changed. */
static void hold(struct client *c, unsigned int inode, int fd)
{
	struct owned_held *h = &c->owned.held[roll(c, OWNED_HELD)];
	const struct owned_file *f = &c->owned.files[inode];

	if (f->size >= SAME_BYTES) {
		must(close(fd), "close", "");
		return;
	}
	if (h->map)
		must(munmap((void *)(uintptr_t)h->map, h->mapped), "munmap", "");
	if (h->fd >= 0)
		must(close(h->fd), "close", "what was held");
	*h = (struct owned_held){ .fd = fd, .inode = inode };
	if (f->size == 0 || roll(c, 2))
		return;
	h->mapped = f->size;
	h->map = mmap(NULL, h->mapped, PROT_READ, MAP_SHARED, fd, 0);
	if (h->map == MAP_FAILED)
		owned_die("mmap");
}

/* ---- steps: on a name `a`, at `path` ---- */

static void make_file(struct client *c, unsigned int a, const char *path)
{
	unsigned int inode = unused_file(c);
	int how = roll(c, 2) ? O_WRONLY : O_RDWR;
	int fd = open(path, how | O_CREAT | O_EXCL, MODE);

	must(fd, "create", path);
	c->owned.names[a] = (struct owned_name){ OWNED_FILE, inode };
	c->owned.files[inode] = (struct owned_file){ .mode = MODE };
	new_content(c, inode, fd, path);
	if (how == O_RDWR && roll(c, 4) == 0)
		hold(c, inode, fd);
	else
		must(close(fd), "close", path);
}

/* Made without a name, which it gets when it is whole. */
static void make_nameless(struct client *c, unsigned int a, const char *path)
{
	unsigned int inode = unused_file(c);
	char directory[OWNED_PATH_MAX];
	char proc[64];
	int fd;

	(void)snprintf(directory, sizeof(directory), "%s", path);
	*strrchr(directory, '/') = '\0';
	fd = open(directory, O_TMPFILE | O_RDWR, MODE);
	must(fd, "tmpfile", directory);
	c->owned.files[inode] = (struct owned_file){ .mode = MODE };
	new_content(c, inode, fd, path);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	must(linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW), "linkat", path);
	c->owned.names[a] = (struct owned_name){ OWNED_FILE, inode };
	must(close(fd), "close", path);
}

static void make_link(struct client *c, unsigned int a, const char *path)
{
	unsigned int b = roll(c, OWNED_NAMES);
	char other[OWNED_PATH_MAX];

	if (c->owned.names[b].kind != OWNED_FILE)
		return;
	must(link(owned_path(&c->owned, b, other), path), "link", path);
	c->owned.names[a] = c->owned.names[b];
}

static void make_symlink(struct client *c, unsigned int a, const char *path)
{
	unsigned int number = roll(c, 1000);
	char target[32];

	(void)snprintf(target, sizeof(target), "to %u", number);
	must(symlink(target, path), "symlink", path);
	c->owned.names[a] = (struct owned_name){ OWNED_SYMLINK, number };
}

static void make_directory(struct client *c, unsigned int a, const char *path)
{
	unsigned int number = c->next_directory++;
	char inside[OWNED_PATH_MAX + 16];
	int fd;

	must(mkdir(path, 0755), "mkdir", path);
	c->owned.names[a] = (struct owned_name){ OWNED_DIRECTORY, number };
	if (number % 2 == 0)
		return;
	(void)snprintf(inside, sizeof(inside), "%s/%u", path, number);
	fd = open(inside, O_WRONLY | O_CREAT | O_EXCL, MODE);
	must(fd, "create", inside);
	must(close(fd), "close", inside);
}

static void remove_name(struct client *c, unsigned int a, const char *path)
{
	const struct owned_name n = c->owned.names[a];
	char inside[OWNED_PATH_MAX + 16];

	if (n.kind != OWNED_DIRECTORY) {
		must(unlink(path), "unlink", path);
	} else {
		(void)snprintf(inside, sizeof(inside), "%s/%u", path, n.inode);
		if (n.inode % 2) {
			must_not(rmdir(path), ENOTEMPTY, "rmdir", path);
			must(unlink(inside), "unlink", inside);
		}
		must(rmdir(path), "rmdir", path);
	}
	c->owned.names[a].kind = OWNED_NONE;
}

static void open_and_hold(struct client *c, unsigned int a, const char *path)
{
	int fd = open(path, roll(c, 2) ? O_RDONLY : O_RDWR);

	must(fd, "open", path);
	hold(c, c->owned.names[a].inode, fd);
}

static void overwrite(struct client *c, unsigned int a, const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	must(fd, "open", path);
	new_content(c, c->owned.names[a].inode, fd, path);
	must(close(fd), "close", path);
}

static void append(struct client *c, unsigned int a, const char *path)
{
	struct owned_file *f = &c->owned.files[c->owned.names[a].inode];
	uint32_t size = f->size + 1 + roll(c, 5000);
	int fd;

	if (size > OWNED_SIZE_MAX)
		return;
	fd = open(path, O_WRONLY | O_APPEND);
	must(fd, "open", path);
	write_content(c, fd, f->tag, f->size, size, path);
	f->size = size;
	must(close(fd), "close", path);
}

static void set_attributes(struct client *c, unsigned int a, const char *path)
{
	struct owned_file *f = &c->owned.files[c->owned.names[a].inode];
	char value[32];

	switch (roll(c, 4)) {
	case 0:
		f->mode = 0600 + roll(c, 2) * 044;
		must(chmod(path, f->mode), "chmod", path);
		break;
	case 1:
		f->size = roll(c, f->size + 1);
		must(truncate(path, f->size), "truncate", path);
		break;
	case 2:
		if (f->xattr)
			must(removexattr(path, "user.load"), "removexattr", path);
		else
			must_not(removexattr(path, "user.load"), ENODATA, "removexattr", path);
		f->xattr = 0;
		break;
	default:
		(void)snprintf(value, sizeof(value), "%u", c->next_tag);
		must(setxattr(path, "user.load", value, strlen(value),
			      f->xattr ? XATTR_REPLACE : XATTR_CREATE),
		     "setxattr", path);
		f->xattr = c->next_tag++;
	}
}

static bool is_directory(const struct owned_name *n)
{
	return n->kind == OWNED_DIRECTORY;
}

static void swap(struct client *c, unsigned int a, unsigned int b, const char *path,
		 const char *other)
{
	struct owned_name *names = c->owned.names;
	const struct owned_name was = names[a];

	if (names[b].kind == OWNED_NONE) {
		must_not(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE), ENOENT,
			 "exchange", path);
		return;
	}
	must(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE), "exchange", path);
	names[a] = names[b];
	names[b] = was;
}

static void move(struct client *c, unsigned int a, const char *path, unsigned int b)
{
	struct owned_name *from = &c->owned.names[a];
	struct owned_name *to = &c->owned.names[b];
	char other[OWNED_PATH_MAX];

	(void)owned_path(&c->owned, b, other);
	if (a == b)
		return;
	if (roll(c, 4) == 0) {
		swap(c, a, b, path, other);
		return;
	}
	if (to->kind != OWNED_NONE)
		must_not(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE), EEXIST,
			 "rename", path);
	if (to->kind != OWNED_NONE && (is_directory(from) || is_directory(to)))
		return;
	must(rename(path, other), "rename", path);
	if (from->kind == OWNED_FILE && to->kind == OWNED_FILE && from->inode == to->inode)
		return; /* two names of one file: nothing is done */
	*to = *from;
	from->kind = OWNED_NONE;
}

static void make(struct client *c, unsigned int a, const char *path)
{
	struct stat st;

	if (roll(c, 8) == 0)
		must_not(unlink(path), ENOENT, "unlink", path);
	if (roll(c, 8) == 0)
		must_not(stat(path, &st), ENOENT, "stat", path);
	switch (roll(c, 10)) {
	case 0:
		make_symlink(c, a, path);
		break;
	case 1:
	case 2:
		make_link(c, a, path);
		break;
	case 3:
		make_nameless(c, a, path);
		break;
	case 4:
	case 5:
		if (c->owned.prefix[strlen(c->owned.prefix) - 1] == '/') {
			make_directory(c, a, path);
			break;
		}
		/* at the top it would be an execution of its own */
		__attribute__((fallthrough));
	default:
		make_file(c, a, path);
	}
}

static void change(struct client *c, unsigned int a, const char *path)
{
	bool is_file = c->owned.names[a].kind == OWNED_FILE;

	if (roll(c, 8) == 0)
		must_not(mkdir(path, 0755), EEXIST, "mkdir", path);
	if (roll(c, 8) == 0)
		must_not(open(path, O_CREAT | O_EXCL | O_RDWR, MODE), EEXIST, "create", path);
	switch (roll(c, is_file ? 12 : 5)) {
	case 0:
	case 1:
	case 2:
		remove_name(c, a, path);
		break;
	case 3:
	case 4:
		break;
	case 5:
		open_and_hold(c, a, path);
		break;
	case 6:
	case 7:
		overwrite(c, a, path);
		break;
	case 8:
	case 9:
		append(c, a, path);
		break;
	default:
		set_attributes(c, a, path);
	}
}

static void step(struct client *c)
{
	unsigned int a = roll(c, OWNED_NAMES);
	unsigned int b = a;
	char path[OWNED_PATH_MAX];

	(void)owned_path(&c->owned, a, path);
	if (c->owned.names[a].kind == OWNED_NONE) {
		make(c, a, path);
	} else if (roll(c, 4)) {
		change(c, a, path);
	} else {
		b = roll(c, OWNED_NAMES);
		move(c, a, path, b);
	}
	owned_check(&c->owned, a);
	owned_log(&c->owned, a);
	if (a == b)
		return;
	owned_check(&c->owned, b);
	owned_log(&c->owned, b);
}

static void run(struct client *c, const char *done)
{
	for (c->steps = 0; access(done, F_OK) < 0; c->steps++) {
		step(c);
		if (c->steps % 16 == 0)
			owned_check_held(&c->owned);
	}
	owned_check_held(&c->owned);
	printf("%lu\n", c->steps);
}

int main(int argc, char **argv)
{
	static struct client c;
	bool check = argc == 4 && strcmp(argv[1], "-c") == 0;

	if (!check && argc != 5)
		return 2;
	c.owned.prefix = argv[check ? 2 : 1];
	c.owned.log = fopen(argv[check ? 3 : 2], check ? "re" : "ae");
	if (!c.owned.log)
		owned_die("%s", argv[check ? 3 : 2]);
	for (unsigned int i = 0; i < OWNED_HELD; i++)
		c.owned.held[i].fd = -1;
	if (check) {
		owned_read_log(&c.owned);
	} else {
		c.dice = strtoull(argv[4], NULL, 10);
		c.next_tag = (uint32_t)c.dice % 1000 * 1000000 + SAME_TAGS;
		run(&c, argv[3]);
	}
	for (unsigned int i = 0; i < OWNED_NAMES; i++)
		owned_check(&c.owned, i);
	return 0;
}
