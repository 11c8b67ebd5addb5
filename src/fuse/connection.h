/* SPDX-License-Identifier: MIT */
/*
 * The connection to the kernel: /dev/fuse, the mount it is of, and libfuse's session on it. Made by mounting, or found in
 * what a process has left that died (takeover/keep.h).
 */
#ifndef FUSE_CONNECTION_H
#define FUSE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "fuse/mount_id.h"
#include "util/macro.h"

struct connection_kept;
struct fs;
struct fuse_buf;
struct fuse_session;
struct keep;
struct session_config;

/* A value; nobody else changes it. */
struct connection {
	struct connection_kept *kept; /* the keep's: what the next process must know */
	struct fuse_session *se;      /* owned */
	char *mountpoint;	      /* owned */
	struct mount_id mount_id;
	int read_ahead_fd; /* owned; the mount's read_ahead_kb in sysfs, or -1 */
};

/*
 * libfuse's session, and no connection yet: connection_mount() or connection_attach() follows. Whatever is returned,
 * *ret is for connection_done(). 0, -ENOMEM, or -EINVAL: libfuse does not take the options.
 */
int connection_new(const struct session_config *config, struct fs *fs, struct connection *ret)
	WARN_UNUSED;

/* As session_mount() and session_attach(). */
int connection_mount(struct connection *c) WARN_UNUSED;
int connection_attach(struct connection *c) WARN_UNUSED;

/* The kernel's first message: it is written down for the next process, and answered. */
void connection_begin(struct connection *c, const struct fuse_buf *init);
/* The same from what was written down. */
void connection_begin_again(struct connection *c);
/* Once it has begun: how far the kernel is to read ahead. */
void connection_read_ahead(struct connection *c);

/* Whether another process could go on with it. */
bool connection_can_be_attached(const struct connection *c);

/* Whether the mount is at its place; gone: as mount_id_is_there() says. */
bool connection_is_there(const struct connection *c, bool gone);
/* Take the mount away: whoever uses it goes on with it, or, with `force`, gets an error. */
void connection_unmount(struct connection *c, bool force);
/* See session_abandon(). */
void connection_abandon(struct keep *keep);

uint64_t connection_layout(void);
void connection_done(struct connection *c);

#endif
