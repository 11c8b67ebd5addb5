/* SPDX-License-Identifier: MIT */
/*
 * What the mount shows of itself: the files under .baton and the user.baton.* attributes, as
 * include/baton/interface.h describes them to clients. Knows executions and the ledger, nothing of
 * FUSE: the layer above decodes requests, calls down, and replies.
 *
 * Nodes are numbered with the top bit set. A node names things (a kind of file, an execution's ID),
 * it owns none of them: whether the execution still exists is asked at each use. Nodes live while
 * their lookup count is not 0, like inodes; the .baton directory itself always lives. Thread-safe.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "exec/execution.h"
#include "seal/seal.h"
#include "takeover/keep.h"

/* Node ids of control nodes have this bit; those of files (fuse/itable.h) never do. */
#define CONTROL_NODE_BIT (UINT64_C(1) << 63)

/* The node of .baton, child of the root. */
#define CONTROL_DIR_NODE (CONTROL_NODE_BIT | 1)

/* Inode numbers shown for control nodes: above every other, below 2^53 (JavaScript). */
#define CONTROL_INO_BASE (EXEC_INO_BASE + (UINT64_C(1) << 51))

/* Longest accepted write, bytes. Source: the longest value is a duration; a page is plenty. */
#define CONTROL_WRITE_MAX 4096

struct control;

/* Who asks. */
struct control_caller {
	struct ledger_owner who; /* uid 0 may everything */
	/*
	 * Who opened the file that is written to: the descriptor may have been passed on, even to a program of root's that
	 * takes it for its standard output. Both must be permitted what is done.
	 */
	uid_t opener;
};

/* Why a write was refused, for one line to a person; "": the error says it. */
struct control_reason {
	char text[576];
};

/* What only the layers above know; called from any thread without locks. */
struct control_upcalls {
	void *ctx;	   /* borrowed */
	struct seal *seal; /* borrowed; NULL: nothing is known of blobs */
	/*
	 * Add the fields of status.json that this layer cannot know to `object`: it has version,
	 * executions, bytes, files, open, and the object "ledger" with events, commits, waits,
	 * queued, error.
	 */
	void (*status)(void *ctx, json_t *object);
	/* Write the metrics of the other layers, in Prometheus' text format (util/prometheus.h). */
	void (*metrics)(void *ctx, FILE *out);
	/* The options, as the file `config` has them, without the last newline; malloc()ed. 0, -ENOMEM. */
	int (*config)(void *ctx, char **ret_text);
	/* Change some: "ttl=30m high=90%". 0; -errno and *why. */
	int (*change)(void *ctx, const struct control_caller *caller, const char *text, size_t len,
		      struct control_reason *why);
	/* Somebody may, and wants to, upgrade. -EINPROGRESS: the layer above answers when it is known; -errno and *why. */
	int (*upgrade)(void *ctx, struct control_reason *why);
	/*
	 * The root's listing changed behind the kernel's back (the directory `id` was made for a mark);
	 * before the call that did it returns, also if that fails.
	 */
	void (*root_changed)(void *ctx, const char *id);
};

/*
 * Borrows keep, execs and ledger for its life, copies `up` (its members may be NULL). 0, -ENOMEM. All
 * calls below return -ESTALE for a node that the kernel has forgotten, and -ENOENT once the
 * execution is gone. `uid` is who looks: what a private mount does not show him is not there either (exec/viewer.h).
 */
int control_new(struct keep *keep, struct exec_table *execs, struct ledger *ledger,
		const struct control_upcalls *up, struct control **ret) WARN_UNUSED;
void control_free(struct control *c);

/*
 * A child by name: *ret_node has one lookup more, *ret_st is filled. 0; 1: it is an ID's name, and the kernel did not know
 * it; -ENOENT, -ENOMEM, -ENFILE, -ENOTDIR. In why/ it waits for the ledger to commit what is queued. st_size is 0 for all: open the files with
 * direct I/O. "." and ".." are no names here.
 */
int control_lookup(struct control *c, uid_t uid, uint64_t dir, const char *name, uint64_t *ret_node,
		   struct stat *ret_st) WARN_UNUSED;
/* A count larger than what is there is taken as all of it. */
void control_forget(struct control *c, uint64_t node, uint64_t n);
int control_getattr(struct control *c, uid_t uid, uint64_t node, struct stat *ret_st) WARN_UNUSED;

/* The name of a node that control_lookup() said 1 of, and its directory's node. 0; -ESTALE: either is forgotten. */
int control_id_name(struct control *c, uint64_t node, uint64_t *ret_dir,
		    char ret_id[RULE_ID_MAX + 1]) WARN_UNUSED;
/* Nodes that the kernel knows, .baton not counted. */
uint64_t control_count(struct control *c);
/* Those that another process has left here. `each` calls nothing of this. */
void control_each_id(struct control *c, void (*each)(void *arg, uint64_t node), void *arg);

/* Its path from the mountpoint down, ".baton/why/4711". 0, -ESTALE. */
int control_path(struct control *c, uint64_t node, char *buf, size_t len) WARN_UNUSED;

/* It has no text: what is read there is the front's. */
bool control_is_accesslog(struct control *c, uint64_t node);

/* Whether what is written there releases an execution. */
bool control_is_release(struct control *c, uint64_t node);

/*
 * Entries of a directory from position `offset` (0: the beginning), without "." and "..". For each,
 * `emit` is called with the name, the attributes' st_ino and st_mode, and the offset of the next
 * one; it returns false when there is no more room (this entry comes again next time). What exists
 * from the first call to the last is listed once. 0, -ENOTDIR, -ENOMEM.
 */
int control_readdir(struct control *c, uid_t uid, uint64_t dir, uint64_t offset,
		    bool (*emit)(void *arg, const char *name, const struct stat *st, uint64_t next),
		    void *arg) WARN_UNUSED;

/*
 * The whole text of a file, malloc()ed, for the caller to free. -EACCES (write-only), -EISDIR,
 * -ENOENT, -ENOMEM, -EIO (the ledger cannot be read).
 */
int control_read(struct control *c, uint64_t node, const struct control_caller *caller,
		 char **ret_text, size_t *ret_len) WARN_UNUSED;

/*
 * A whole value written by a client. Errors as include/baton/interface.h says, and -EACCES for what
 * is read-only, -EISDIR, -EPERM (`_` and n8n's have no lifetime to set), -errno of the store. May
 * make a directory at the top of the tree, which is the execution's owner's. *why is filled if it fails.
 */
int control_write(struct control *c, uint64_t node, const struct control_caller *caller,
		  const char *text, size_t len, struct control_reason *why) WARN_UNUSED;

/*
 * Extended attributes `user.baton.NAME`; `name` is NAME. The subject is what the client named; the
 * layer above fills it in. What is set on a file itself (its own ttl) is done through set_file_ttl.
 */
struct control_subject {
	struct execution *exec; /* borrowed; not NULL */
	bool is_exec_dir;	/* the execution's own top-level directory */
	bool is_file;		/* a regular file */
	bool is_final;		/* nobody can write to it */
	bool is_shared;		/* its content is a blob's */
	bool is_spilled;	/* its content is in the directory that is spilled to */
	bool is_hashing;	/* its content is being hashed just now */
	uint64_t hashed_bytes;	/* of it, so far */
	uid_t uid;		/* of the inode */
	bool own_lifetime;
	int64_t file_ttl_ns; /* own, or LEDGER_TTL_DEFAULT */
	int64_t file_active_real_ns;
	void *ctx;					/* for the next */
	int (*set_file_ttl)(void *ctx, int64_t ttl_ns); /* LEDGER_TTL_DEFAULT: no longer its own */
};

/*
 * The value without a newline or NUL in buf; returns its length, -ENODATA (no such attribute, or a
 * virtual execution has none), -EACCES (not for this viewer), -ERANGE (buf is too small; len 0 only asks for the length), -ENOMEM.
 */
int control_xattr_get(struct control *c, uid_t uid, const struct control_subject *s,
		      const char *name, char *buf, size_t len) WARN_UNUSED;
/*
 * 0; -EINVAL, -ERANGE, -EACCES, -EPERM (read-only, or as control_write()), -EOPNOTSUPP (not on this
 * kind of file, or no such attribute), -ENOENT (released), -errno of set_file_ttl or the store. A
 * virtual execution that is given a ttl or pinned becomes real and the caller's; its directory is
 * made with the calling thread's ids (cred_assume() first).
 */
int control_xattr_set(struct control *c, const struct control_subject *s,
		      const struct control_caller *caller, const char *name, const char *value,
		      size_t len) WARN_UNUSED;

#endif
