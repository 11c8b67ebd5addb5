/* SPDX-License-Identifier: MIT */
/*
 * What outlives a worker: memory that is shared with the guardian, and descriptors.
 *
 * The memory is one object, reserved for as much as may be needed and taken from the system page by page. Its areas
 * belong to whoever is named below, who also says what is in them. A worker may be killed between any two
 * instructions, so what is written here must make sense at any moment.
 *
 * The descriptors of the workers and of the guardian are one table (CLONE_FILES). Those that are to outlive a worker
 * are named (keep_fd()); the guardian closes all others before the next one starts.
 *
 * Another program may come in the place of guardian and workers (an upgrade): what is in the areas, and how, is then
 * understood by both, which is what the format says (takeover/format.h).
 */
#ifndef TAKEOVER_KEEP_H
#define TAKEOVER_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

enum keep_area {
	KEEP_WORKER,   /* takeover/area.h */
	KEEP_CONFIG,   /* tuning.c: the options as they were changed */
	KEEP_HANDOVER, /* src/upgrade.c: what another program must know */
	KEEP_SESSION,  /* fuse/session.c: the connection */
	KEEP_REQUESTS, /* fuse/request.c: what threads are at */
	KEEP_BUFFERS,  /* likewise: the requests themselves */
	KEEP_CONTROL,  /* control/ctlnode.c */
	KEEP_NAMES,    /* fuse/untold.c */
	KEEP_INODES,   /* fuse/itable.c; the only one that is to be committed */
	KEEP_AREA_MAX_
};

/* Longest text that names a format, with its NUL. */
#define KEEP_FORMAT_MAX 64

struct keep;

/*
 * shared: with processes that are forked from this one; else it ends with the process, and nothing is kept. 0,
 * -ENOMEM, -errno.
 */
int keep_new(bool shared, struct keep **ret) WARN_UNUSED;
void keep_free(struct keep *k);

/*
 * The one that another program has left, in this descriptor, which is taken over. 0; -EINVAL: it is none;
 * -EPROTONOSUPPORT: of another format, *ret_format; -ENOMEM, -errno.
 */
int keep_attach(int fd, const char *format, char ret_format[KEEP_FORMAT_MAX], struct keep **ret)
	WARN_UNUSED;

/* What format it has, for keep_attach(). */
void keep_set_format(struct keep *k, const char *format);

/* See takeover/format.h. */
uint64_t keep_layout(void);

/* The descriptor of a shared one, kept; -1 else. */
int keep_memory_fd(const struct keep *k);

bool keep_is_shared(const struct keep *k);

/* An area: zero until written. Not to be given back. */
void *keep_area(const struct keep *k, enum keep_area area);

/* Its size, bytes. */
size_t keep_area_size(enum keep_area area);

/* [p, p + size), whole pages, is about to be written for the first time. 0, -ENOSPC or -ENOMEM: there is no memory. */
int keep_commit(const struct keep *k, void *p, size_t size) WARN_UNUSED;

/*
 * The next bytes in [p, p + size) that were ever written, in whole pages, and are not given back: *ret_size of them. NULL: there
 * are none. All of it, if it is not shared.
 */
void *keep_find_written(const struct keep *k, void *p, size_t size, size_t *ret_size);

/* Likewise, and they are in memory on return. */
void *keep_have_written(const struct keep *k, void *p, size_t size, size_t *ret_size);

/* Give the memory in [p, p + size) back, whole pages: it is zero from now on. */
void keep_discard(const struct keep *k, void *p, size_t size);

/* This descriptor is to outlive the worker; and not any more, said before it is closed. Without a shared keep: nothing. */
void keep_fd(int fd);
void keep_fd_drop(int fd);

/*
 * This descriptor of a worker is not to outlive it, but disturbs nobody if it does, and so may be closed when nobody waits:
 * keep_close_left(). And not any more, said before it is closed. Not over an upgrade.
 */
void keep_fd_idle(int fd);
void keep_fd_idle_drop(int fd);

/* All that are open now are. 0 or -errno. */
int keep_all_fds(void) WARN_UNUSED;

/* Whether another program that is executed has what is kept; nothing else ever has. 0 or -errno. */
int keep_fds_over_exec(bool over) WARN_UNUSED;

/*
 * The calling process has a table of its own, as that of process `from` was once, whose pidfd this is. What is kept is as there from
 * now on. 0 or -errno: not all of it is.
 */
int keep_fetch_fds(const struct keep *k, pid_t from, int pidfd) WARN_UNUSED;

/* Whether that can be, at all. */
bool keep_can_fetch_fds(const struct keep *k, int pidfd);

/*
 * In the guardian, before it starts another worker: close all that are not kept, but standard input, output and error, and the idle
 * ones, which keep_close_left() does. 0 or -errno.
 */
int keep_close_others(void) WARN_UNUSED;

/* Close so many of those. Whether some are left. */
bool keep_close_left(size_t n);

#endif
