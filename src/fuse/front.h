/* SPDX-License-Identifier: MIT */
/*
 * The FUSE front from outside, for daemon.c: no FUSE types.
 */
#ifndef FUSE_FRONT_H
#define FUSE_FRONT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "control/control.h"
#include "exec/execution.h"
#include "exec/reaper.h"
#include "seal/seal.h"
#include "store/store.h"
#include "takeover/keep.h"

struct fs;

/* Of the threads that read and answer requests. */
#define FS_READER_NAME "reader"

/* Whose shared files may be copied by sharing them once more. */
enum fs_clone {
	FS_CLONE_NONE,
	FS_CLONE_OWN, /* the owner of the new file */
	FS_CLONE_ALL,
};

struct fs_config {
	bool passthrough; /* wanted */
	uid_t uid;	  /* of new files; (uid_t)-1: the caller's */
	gid_t gid;
	uint32_t fmask; /* instead of the caller's umask; UINT32_MAX: the caller's */
	uint32_t dmask;
	bool privacy;  /* as exec_table_config() says it, see private.h */
	bool own_ttls; /* files of the store may have a ttl of their own (a mark) */
	enum fs_clone clone;
	unsigned int threads; /* that serve requests, at most */
	bool watched;	 /* executions have a limit of bytes, which each write is checked against */
	bool unsettled;	 /* the store was not closed in order: until fs_settled() */
	int64_t slow_ns; /* see fs_set_slow() */
	struct keep *keep; /* what outlives this process; borrowed */
};

/* Borrows all. Serves nothing before session.h mounts it. */
int fs_new(const struct fs_config *config, const struct store *store, struct exec_table *execs,
	   struct ledger *ledger, struct seal *seal, struct fs **ret) WARN_UNUSED;
void fs_free(struct fs *fs);
static inline void fs_freep(struct fs **fs)
{
	fs_free(*fs);
}

/* What answers on .baton; borrowed. Before the mount. */
void fs_set_control(struct fs *fs, struct control *control);

/* What is told when the store is full; borrowed. Before the mount. */
void fs_set_reaper(struct fs *fs, struct reaper *reaper);

/* Requests that take so long are told of in the log; 0: none is. At any time. */
void fs_set_slow(struct fs *fs, int64_t slow_ns);

/* Whether contents bypass the daemon, known after session_start(). *ret_why: why not, "" if they do. */
bool fs_passthrough(const struct fs *fs, const char **ret_why);

/* The upcalls of the layers below; ctx is the fs. */
uint32_t fs_exec_going(void *ctx, const char *name);
void fs_exec_gone(void *ctx, struct execution *e, const char *name, uint32_t going);
void fs_exec_stays(void *ctx, uint32_t going);
void fs_give_up(void *ctx, uint64_t ino, const struct handle *h);
int fs_let_go(void *ctx, uint64_t ino, const struct handle *h);
void fs_collect(void *ctx);
int fs_remove_file(void *ctx, const struct reaper_doomed *f);
uint64_t fs_traffic(void *ctx);
bool fs_is_closed(void *ctx, uint64_t ino, const struct handle *h);
bool fs_is_open(void *ctx, uint64_t ino, const struct handle *h);
int fs_claim(void *ctx, uint64_t ino, const struct handle *h, struct seal_claim *ret);
bool fs_settle(void *ctx, struct seal_claim *claim, bool sealed);
int fs_make_stub(void *ctx, struct seal_claim *claim, const struct blob_name *name);
/*
 * stub_settle() of a file that others may be at just now: waits for them, as they do for it. Tells the ledger. To be
 * called for every file of a store that was not closed in order; then fs_settled().
 */
int fs_settle_stub(void *ctx, uint64_t ino, const struct handle *h, struct blob_name *ret_name);
void fs_settled(void *ctx);
uint32_t fs_writers(void *ctx);
int fs_is_lent(void *ctx, uint64_t ino, const struct handle *h);
void fs_exec_vanish(void *ctx, struct execution *e);
/* A name of the file has gone without a client's doing, and others are left (store/trash.h). Waits for nobody. */
void fs_name_gone(void *ctx, uint64_t ino, const struct handle *h);
/* Of a file that was watched (fuse/last_name.h). Waits for nobody. */
void fs_last_name(void *ctx, struct trash_watch *w, bool gone);
void fs_status(void *ctx, json_t *object);
void fs_metrics(struct fs *fs, FILE *out);
void fs_root_changed(void *ctx);
/* An execution's directory of batonfs's making has come, or gone, without a request for it. */
void fs_exec_dir_changed(void *ctx, const char *id);

/* The guardian has decided for an upgrade, or against: who waits for that is answered. */
void fs_upgrade_decided(struct fs *fs);

#endif
