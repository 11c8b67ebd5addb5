/* SPDX-License-Identifier: MIT */
/*
 * One question is passed to the thread and its answer back. What comes too late is for nobody.
 */
#include "http/mount_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/lock.h"

/* So much more room when it is needed, bytes. Source: the metrics have 50 KiB. */
#define STEP ((size_t)64 << 10)

struct mount_reader {
	struct lock lock; /* rank LOCK_HTTP */
	pthread_cond_t wake;
	const char *file; /* lock; to be read; NULL: nothing is to be done */
	bool busy;	  /* lock; from the question to the answer, which may never come */
	char *text;	  /* lock; owned; the answer */
	size_t len;	  /* lock */
	int error;	  /* lock; instead of it */
};

static int read_all(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	size_t room = 0, len = 0;
	ssize_t n;

	do {
		if (len == room) {
			char *grown = room < MOUNT_READER_MAX ? realloc(text, room + STEP) : NULL;

			if (!grown)
				return room < MOUNT_READER_MAX ? -ENOMEM : -EFBIG;
			text = grown;
			room += STEP;
		}
		n = read(fd, text + len, room - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (n < 0)
		return -errno;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

static int read_file(const char *file, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : read_all(fd, ret, ret_len);
}

static void answer(struct mount_reader *r, int error, char *text, size_t len)
{
	LOCK_SCOPE(&r->lock);
	free(r->text); /* nobody has waited for it */
	r->text = text;
	r->len = len;
	r->error = error;
	r->file = NULL;
	r->busy = false;
	(void)pthread_cond_broadcast(&r->wake);
}

static const char *next_question(struct mount_reader *r)
{
	LOCK_SCOPE(&r->lock);
	while (!r->file)
		lock_wait(&r->lock, &r->wake);
	return r->file;
}

NORETURN static void *run(void *arg)
{
	struct mount_reader *r = arg;

	for (;;) {
		char *text = NULL;
		size_t len = 0;
		int error = read_file(next_question(r), &text, &len);

		answer(r, error, text, len);
	}
}

int mount_reader_ask(struct mount_reader *r, const char *file, int64_t timeout_ns, char **ret,
		     size_t *ret_len)
{
	int64_t until = clock_mono_ns() + timeout_ns;

	LOCK_SCOPE(&r->lock);
	if (r->busy)
		return -ETIMEDOUT;
	r->file = file;
	r->busy = true;
	(void)pthread_cond_broadcast(&r->wake);
	while (r->busy) {
		if (lock_wait_until(&r->lock, &r->wake, until) < 0 && r->busy)
			return -ETIMEDOUT;
	}
	if (r->error < 0)
		return r->error;
	*ret = TAKE_PTR(r->text);
	*ret_len = r->len;
	return 0;
}

int mount_reader_new(struct mount_reader **ret)
{
	struct mount_reader *r = calloc(1, sizeof(*r));
	pthread_t thread;
	int err;

	if (!r)
		return -ENOMEM;
	lock_init(&r->lock, LOCK_HTTP);
	lock_cond_init(&r->wake);
	err = pthread_create(&thread, NULL, run, r);
	if (err) {
		free(r);
		return -err;
	}
	*ret = r;
	return 0;
}
