/* SPDX-License-Identifier: MIT */
/*
 * The directory of blobs, and a small table of those that somebody needs for the moment.
 */
#include "store/blob.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/dir.h"
#include "util/fault.h"
#include "util/lock.h"
#include "util/parse.h"

/* Chains of the table. Source: opens of stubs that the daemon serves, and blobs in the making: some tens. */
#define CHAINS 256

/* A blob that is pinned or doomed. */
struct held {
	struct held *next; /* owned */
	struct blob_name name;
	uint32_t pins;
	bool doomed; /* never with pins */
};

struct blobs {
	/* Constant. */
	int dirfd;
	bool durable;

	struct lock lock;	     /* rank LOCK_BLOBS */
	struct held *chains[CHAINS]; /* blobs.lock; owned */
};

/* ---- names ---- */

static bool is_hash(const char *text)
{
	for (int i = 0; i < BLOB_HASH_DIGITS; i++) {
		if (!isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
			return false;
	}
	return true;
}

/* Decimal digits without leading zeros, then `end`; returns what follows `end`, or NULL. */
static const char *skip_number(const char *text, char end, uint64_t *ret)
{
	char digits[21];
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n >= sizeof(digits) || (text[0] == '0' && n > 1) || text[n] != end)
		return NULL;
	memcpy(digits, text, n);
	digits[n] = '\0';
	return parse_u64(digits, ret) < 0 ? NULL : text + n + 1;
}

int blob_name_parse(const char *text, struct blob_name *ret)
{
	uint64_t bytes;
	uint64_t number = 1;
	const char *rest;

	if (strlen(text) >= BLOB_NAME_SIZE || !is_hash(text) || text[BLOB_HASH_DIGITS] != '-')
		return -EINVAL;
	text += BLOB_HASH_DIGITS + 1;
	if (!skip_number(text, '\0', &bytes)) {
		rest = skip_number(text, '-', &bytes);
		if (!rest || !skip_number(rest, '\0', &number) || number == 0 ||
		    number > UINT32_MAX)
			return -EINVAL;
	}
	strcpy(ret->text, text - BLOB_HASH_DIGITS - 1);
	return 0;
}

uint64_t blob_name_bytes(const struct blob_name *name)
{
	return strtoull(name->text + BLOB_HASH_DIGITS + 1, NULL, 10);
}

/* ---- pins ---- */

static struct held **find_locked(struct blobs *b, const struct blob_name *name)
{
	uint32_t sum = 5381;
	struct held **at;

	for (const char *c = name->text; *c; c++)
		sum = sum * 33 + (unsigned char)*c;
	for (at = &b->chains[sum % CHAINS]; *at; at = &(*at)->next) {
		if (blob_name_equal(&(*at)->name, name))
			break;
	}
	return at;
}

static void let_go_locked(struct held **at)
{
	struct held *gone = *at;

	*at = gone->next;
	free(gone);
}

/* Its entry, made if there is none. */
static struct held *hold_locked(struct blobs *b, const struct blob_name *name)
{
	struct held **at = find_locked(b, name);

	if (*at)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at)
		(*at)->name = *name;
	return *at;
}

int blob_pin(struct blobs *b, const struct blob_name *name)
{
	struct held *h;

	LOCK_SCOPE(&b->lock);
	h = hold_locked(b, name);
	if (!h)
		return -ENOMEM;
	h->doomed = false;
	h->pins++;
	return 0;
}

void blob_unpin(struct blobs *b, const struct blob_name *name)
{
	struct held **at;

	LOCK_SCOPE(&b->lock);
	at = find_locked(b, name);
	if (*at && --(*at)->pins == 0)
		let_go_locked(at);
}

bool blob_is_pinned(struct blobs *b, const struct blob_name *name)
{
	struct held **at;

	LOCK_SCOPE(&b->lock);
	at = find_locked(b, name);
	return *at && (*at)->pins > 0;
}

int blob_doom(struct blobs *b, const struct blob_name *name)
{
	struct held *h;

	LOCK_SCOPE(&b->lock);
	h = hold_locked(b, name);
	if (!h)
		return -ENOMEM;
	if (h->pins > 0)
		return -EBUSY;
	h->doomed = true;
	return 0;
}

int blob_remove_doomed(struct blobs *b, const struct blob_name *name)
{
	struct held **at;

	LOCK_SCOPE(&b->lock);
	at = find_locked(b, name);
	if (!*at || !(*at)->doomed)
		return -EBUSY;
	let_go_locked(at);
	FAULT_POINT("blob-doomed");
	return FAULT_CALL("blob-unlink", unlinkat(b->dirfd, name->text, 0)) < 0 ? -errno : 0;
}

void blob_spare(struct blobs *b, const struct blob_name *name)
{
	struct held **at;

	LOCK_SCOPE(&b->lock);
	at = find_locked(b, name);
	if (*at && (*at)->doomed)
		let_go_locked(at);
}

/* ---- making ---- */

static int fill(int fd, const struct blob_source *source)
{
	struct stat st;
	int r;

	if (fstat(source->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != source->bytes)
		return -EUCLEAN;
	/* Its size first, so that a tmpfs gives huge pages; and whoever runs this may have another's identity. */
	if (FAULT_CALL("blob-size", ftruncate(fd, st.st_size)) < 0 || fchown(fd, 0, 0) < 0 ||
	    fchmod(fd, 0400) < 0)
		return -errno;
	r = copy_content(source->fd, fd, source->bytes, source->may, source->ctx);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == source->bytes ? 0 : -EUCLEAN;
}

/* What can go wrong with the disk goes wrong before it has a name. */
static int finish(struct blobs *b, int fd, const struct blob_source *source)
{
	int r = source->check ? source->check(source->ctx, fd) : 0;

	FAULT_POINT("blob-filled");
	return r == 0 && b->durable && FAULT_CALL("blob-sync", fsync(fd)) < 0 ? -errno : r;
}

static void write_name(const struct blob_source *source, uint32_t number, struct blob_name *ret)
{
	int n = snprintf(ret->text, sizeof(ret->text), "%.*s-%" PRIu64, BLOB_HASH_DIGITS,
			 source->hash, source->bytes);

	if (number > 0)
		(void)snprintf(ret->text + n, sizeof(ret->text) - (size_t)n, "-%" PRIu32, number);
}

/* Pinned before it can be found. */
static int link_as(struct blobs *b, int fd, const struct blob_name *name)
{
	int r = blob_pin(b, name);

	if (r == 0 &&
	    FAULT_CALL("blob-link", linkat(fd, "", b->dirfd, name->text, AT_EMPTY_PATH)) < 0) {
		r = -errno;
		blob_unpin(b, name);
	}
	return r;
}

static int give_name(struct blobs *b, int fd, const struct blob_source *source,
		     struct blob_name *ret)
{
	struct blob_name name;
	int r = -EEXIST;

	for (uint32_t i = 0; r == -EEXIST && i < BLOB_SAME_MAX; i++) {
		write_name(source, i, &name);
		r = link_as(b, fd, &name);
	}
	if (r < 0)
		return r;
	FAULT_POINT("blob-linked");
	if (b->durable && FAULT_CALL("blob-linked-sync", fsync(b->dirfd)) < 0) {
		r = -errno;
		(void)unlinkat(b->dirfd, name.text, 0);
		blob_unpin(b, &name);
		return r;
	}
	*ret = name;
	return 0;
}

int blob_make(struct blobs *b, const struct blob_source *source, struct blob_name *ret)
{
	_cleanup_close_ int fd =
		FAULT_CALL("blob-make",
			   openat(b->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400));
	int r = fd < 0 ? -errno : fill(fd, source);

	if (r == 0)
		r = finish(b, fd, source);
	return r == 0 ? give_name(b, fd, source, ret) : r;
}

/* ---- looking ---- */

int blob_open(struct blobs *b, const struct blob_name *name)
{
	int fd = openat(b->dirfd, name->text, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int blob_open_path(struct blobs *b, const struct blob_name *name)
{
	int fd = openat(b->dirfd, name->text, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int tell(struct blobs *b, const char *entry,
		int (*each)(void *arg, const struct blob_info *info, const char *entry), void *arg)
{
	struct blob_info info = { 0 };
	struct stat st;

	if (fstatat(b->dirfd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno; /* just removed */
	if (!S_ISREG(st.st_mode) || blob_name_parse(entry, &info.name) < 0)
		info.name.text[0] = '\0';
	info.bytes = (uint64_t)st.st_size;
	info.stored_bytes = (uint64_t)st.st_blocks * 512;
	return each(arg, &info, entry);
}

int blob_each(struct blobs *b,
	      int (*each)(void *arg, const struct blob_info *info, const char *entry), void *arg)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(b->dirfd, ".", &dir);

	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name))
			r = tell(b, d->d_name, each, arg);
	}
	return r == 0 && errno ? -errno : r;
}

/* ---- the object ---- */

bool blobs_durable(const struct blobs *b)
{
	return b->durable;
}

int blobs_new(int dirfd, bool durable, struct blobs **ret)
{
	struct blobs *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->dirfd = dirfd;
	b->durable = durable;
	lock_init(&b->lock, LOCK_BLOBS);
	*ret = b;
	return 0;
}

void blobs_free(struct blobs *b)
{
	if (!b)
		return;
	for (int i = 0; i < CHAINS; i++) {
		while (b->chains[i])
			let_go_locked(&b->chains[i]);
	}
	lock_done(&b->lock);
	free(b);
}
