/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what a filesystem cannot say about its files, in SQLite. Who owns an execution, when
 * it was last used, how long it lives, which files it has, what was released and why.
 *
 * The tree is the truth; the ledger follows it. Events are queued by any thread without touching
 * SQLite, and one writer thread applies them in batches, one transaction each. The queue is
 * bounded: when it is full, the caller waits until there is room (an event is never lost while the
 * process lives), but not for a disk that has refused everything for a while (QUEUE_PATIENCE_NS in
 * queue.h: it may be full). Then events are lost, and counted, and the ledger is not clean until a
 * reconcile has begun and ended after that. After a crash the last batches may be missing: whoever owns
 * the tree reconciles (below).
 *
 * Nothing outside this directory knows SQL. All functions may be called from any thread.
 */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macro.h"

struct ledger;

/* Longest execution id, bytes without the NUL. Source: the naming rule, exec/rule.h. */
#define LEDGER_ID_MAX 128

/* Room for a command name with its NUL. Source: TASK_COMM_LEN, the kernel's linux/sched.h. */
#define LEDGER_COMM_MAX 16

/* Largest file handle kept, bytes. Source: store/handle.h. */
#define LEDGER_HANDLE_MAX 40

/* Longest name of a blob, bytes without the NUL. Source: store/blob.h. */
#define LEDGER_BLOB_MAX 64

/* "The mount's default" for a ttl_ns; "never" is INT64_MAX. */
#define LEDGER_TTL_DEFAULT INT64_C(-1)
#define LEDGER_TTL_NEVER INT64_MAX

/* How the ledger was found; what the caller must do about it. */
enum ledger_state {
	LEDGER_CLEAN,	 /* closed by ledger_free() or left in order: agrees with the tree */
	LEDGER_UNCLEAN,	 /* the last process died, or ended before it had reconciled: reconcile */
	LEDGER_NEW,	 /* there was none: reconcile */
	LEDGER_REPLACED, /* corrupt or no ledger, set aside under another name: reconcile, report */
};

/* What one process tells the next of a ledger that it leaves open, and that nobody else has had since. */
enum ledger_left {
	LEDGER_LEFT_UNKNOWN,  /* it may have died before it had opened it */
	LEDGER_LEFT_IN_USE,   /* it had opened it, and died */
	LEDGER_LEFT_IN_ORDER, /* ledger_leave(): agrees with the tree */
};

/*
 * The time of the ledger is what all activity is told and asked in. It goes as CLOCK_MONOTONIC does, so that nothing is
 * over early or late because the wall clock is set, and is near the wall clock only as that was when it began.
 */
struct ledger_time {
	int64_t base_ns; /* it is so much ahead of CLOCK_MONOTONIC */
	bool goes_on;	 /* what is in the file has been told in it, too */
	/*
	 * If not: it was at least this when the file was last used. What has passed since is not known, nor by any clock that
	 * can be relied on, and does not count.
	 */
	int64_t last_ns;
};

struct ledger_open_result {
	enum ledger_state state;
	char set_aside
		[300]; /* LEDGER_REPLACED: the name the old file has now, in the same directory */
	uint64_t next_number; /* first execution number never used in this ledger, from 1 on */
};

/*
 * Open or create the ledger at `path` (absolute), migrate its schema, start the writer thread.
 * Returns 0; -EPROTONOSUPPORT if a newer version wrote it (nothing is changed); -EBUSY if another
 * process has it; -EACCES, -EROFS, -ENOSPC, -EIO, -ENOMEM; -EOPNOTSUPP if the filesystem cannot
 * share memory between processes (SQLite's WAL). A file that is no ledger, or that fails SQLite's
 * quick check, is renamed (with its -wal and -shm) to PATH.corrupt-SECONDS and replaced. PATH-lock
 * is what keeps other processes out; it stays. Other programs may read the database while it is
 * open. Call before the process has used SQLite otherwise. With `time` NULL, time begins as the wall clock's of now,
 * and what is in the file was told in that.
 */
int ledger_open(const char *path, const struct ledger_time *time, struct ledger **ret,
		struct ledger_open_result *ret_result) WARN_UNUSED;

/*
 * The same in the place of a process that had it open and was killed, which does no damage (SQLite's WAL). So there is
 * no quick check, which reads all of it: a second for a million files. One that is no ledger is found out still. Nor does
 * anything have to reach the disk before it is used, if `left` says that it is known there to be in use: a busy disk takes
 * half a second for that. On return it is LEDGER_LEFT_IN_USE, whatever it was.
 */
int ledger_reopen(const char *path, const struct ledger_time *time, enum ledger_left left,
		  struct ledger **ret, struct ledger_open_result *ret_result) WARN_UNUSED;

/*
 * Apply what is queued, mark the ledger clean, close. It is marked clean only if it agrees with
 * the tree: it was found clean, or a reconcile has ended since. If the disk refuses for some
 * seconds, what is left is given up and the ledger stays unclean. No other call may be running.
 * ledger_free(NULL) is a no-op.
 */
void ledger_free(struct ledger *l);

/*
 * Likewise, for ledger_reopen() by the next process, which is told what is returned: nothing of it waits for the disk, which
 * goes on taking the ledger for one in use.
 */
enum ledger_left ledger_leave(struct ledger *l) WARN_UNUSED;

/* The ledger's time: now, to the tick; and what has to be added to CLOCK_MONOTONIC for it. */
int64_t ledger_now_ns(const struct ledger *l);
int64_t ledger_base_ns(const struct ledger *l);

/*
 * What the tree has is not known for sure: as after a lost event, it does not agree until a reconcile that begins after
 * this has ended. Does not block.
 */
void ledger_doubt(struct ledger *l);

/*
 * Wait until everything queued before this call is committed. Returns 0, or the error that keeps
 * the writer from committing: -ENOSPC, -EIO, -ENOMEM, -EBUSY (another program writes to the
 * database), -EUCLEAN (it was damaged since it was opened). The writer goes on retrying, and the
 * queue goes on filling.
 */
int ledger_sync(struct ledger *l) WARN_UNUSED;

/* ---- events: queued, applied in order; they block only while the queue is full ---- */

struct ledger_owner {
	uint32_t uid;
	uint32_t gid;
	int32_t pid; /* 0: not visible from the daemon's pid namespace */
	char comm[LEDGER_COMM_MAX];
};

struct ledger_execution {
	uint64_t number; /* chosen by the caller, unique over the life of the ledger */
	char id[LEDGER_ID_MAX + 1];
	struct ledger_owner owner;
	int64_t created_real_ns;
	int64_t activity_ns; /* the ledger's time */
	int64_t ttl_ns;	     /* or LEDGER_TTL_DEFAULT, LEDGER_TTL_NEVER */
	bool pinned;
};

/* An execution became real, or one of its fields changed: insert or replace by number. */
void ledger_execution_put(struct ledger *l, const struct ledger_execution *e);
/* It was active. Callers coalesce: about once a second per execution. */
void ledger_execution_activity(struct ledger *l, uint64_t number, int64_t activity_ns);

/* Its row goes without a release on record. */
void ledger_execution_forget(struct ledger *l, uint64_t number);

enum ledger_reason {
	LEDGER_EXPIRED,	 /* time-to-live over */
	LEDGER_RELEASED, /* somebody released it */
	LEDGER_EMPTY,	 /* the last file of a directory that batonfs made was removed */
	LEDGER_EVICTED,	 /* room was needed */
	LEDGER_REMOVED,	 /* its files were removed or moved away by ordinary calls */
	LEDGER_UNRECORDED, /* it was gone at a start: whoever ended it, batonfs was killed before that was written */
	LEDGER_REASON_MAX_,
};

/* "expired", "released", ... */
const char *ledger_reason_name(enum ledger_reason reason);

struct ledger_release {
	uint64_t number; /* of the execution; 0 for a file with a lifetime of its own */
	char id[LEDGER_ID_MAX + 1];
	char path[256]; /* below the mount, "" for a whole execution; cut if longer */
	enum ledger_reason reason;
	struct ledger_owner by; /* who asked; all zero if batonfs decided */
	struct ledger_owner owner;
	int64_t created_real_ns;
	int64_t activity_real_ns;
	int64_t released_real_ns;
	int64_t ttl_ns; /* in force at that moment, resolved: never LEDGER_TTL_DEFAULT */
	uint64_t bytes;
	uint64_t files;
};

/*
 * An execution ended: its row and its files' rows go, the reason stays (the newest
 * LEDGER_HISTORY_MAX are kept). With number 0 only the reason is recorded; the file's row goes by
 * ledger_file_gone(). LEDGER_EMPTY is recorded like the others.
 */
void ledger_release(struct ledger *l, const struct ledger_release *r);

/* Releases remembered. Source: enough for a day of an execution every second; about 25 MB. */
#define LEDGER_HISTORY_MAX 86400

struct ledger_file {
	uint64_t ino;	    /* of the backing inode: the key */
	uint64_t execution; /* number */
	uint64_t size_bytes;
	int64_t ttl_ns;	   /* LEDGER_TTL_DEFAULT unless set on this very file */
	bool own_lifetime; /* expires by itself: `_` files, and files with a ttl_ns of their own */
	int64_t activity_ns; /* the ledger's time; matters for own_lifetime only */
	uint8_t handle_len;
	int32_t handle_type;
	uint8_t handle[LEDGER_HANDLE_MAX];
};

/* Insert or replace by ino. */
void ledger_file_put(struct ledger *l, const struct ledger_file *f);
void ledger_file_size(struct ledger *l, uint64_t ino, uint64_t size_bytes);
void ledger_file_move(struct ledger *l, uint64_t ino, uint64_t execution);
void ledger_file_activity(struct ledger *l, uint64_t ino, int64_t activity_ns);
void ledger_file_gone(struct ledger *l, uint64_t ino);

/* Bytes of a content hash (XXH3-128, big-endian). */
#define LEDGER_XXH3_SIZE 16

/* What a file's content was. It still is while the file has these times and this size, see seal/. */
struct ledger_seal {
	uint8_t xxh3[LEDGER_XXH3_SIZE];
	uint64_t size_bytes;
	int64_t mtime_ns;
	int64_t ctime_ns;
};

/* The file's hash is known; nothing happens if the file has no row. It goes with the row. */
void ledger_file_sealed(struct ledger *l, uint64_t ino, const struct ledger_seal *seal);
/* No hash told so far counts any more. */
void ledger_seals_forget(struct ledger *l);

/*
 * The file is a stub of this blob from now on, or, with "", an ordinary one. Nothing happens if it has no row. Its
 * blob is needed for as long as the row says so: report a stub before its pin is given back, and that it is none any
 * more after its content is home.
 */
void ledger_file_shared(struct ledger *l, uint64_t ino, const char *blob);

/*
 * Reconcile: begin, one `seen` for each regular file found in the tree, end. While it runs, other
 * events go on as always; a file that is reported gone after `begin` is not brought back by a late
 * `seen`, and a `seen` does not overwrite what a newer `put`, `size` or `move` has said. Files
 * that were released with their execution are gone in this sense. The activity of an
 * older row counts, and not that of a `seen`, if it is the same file with the same lifetime. `end` removes the rows of files that neither `seen` nor another event
 * has named since `begin`. Which files are stubs is forgotten by `begin`: report each that is found
 * after its `seen`, by ledger_file_shared(). A second `begin` starts over; `seen` and `end` without one are ignored.
 */
void ledger_reconcile_begin(struct ledger *l);
void ledger_reconcile_seen(struct ledger *l, const struct ledger_file *f);
void ledger_reconcile_end(struct ledger *l);

/*
 * ---- questions: on a reading connection, block for a moment; not for the path of an open ----
 *
 * They answer from what is committed; ledger_sync() first if that matters. `each` is called when
 * the answer is complete and no lock is held: it may call any function of the ledger. Errors:
 * -ENOMEM, -EIO, -EBUSY, -EUCLEAN.
 */

/* Every execution row, oldest first. `each` returns 0 to go on; its other values are returned. */
int ledger_each_execution(struct ledger *l,
			  int (*each)(void *arg, const struct ledger_execution *e), void *arg)
	WARN_UNUSED;

/*
 * Files with a lifetime of their own whose time is over: activity + ttl (default_ttl_ns where
 * LEDGER_TTL_DEFAULT) <= now. At most `max` of them, longest overdue first. Found by index.
 */
int ledger_each_expired_file(struct ledger *l, int64_t now_ns, int64_t default_ttl_ns, uint32_t max,
			     int (*each)(void *arg, const struct ledger_file *f), void *arg)
	WARN_UNUSED;

/*
 * Files with a lifetime of their own that have their content themselves (they are no stubs), at least `min_bytes` of it,
 * not 0: at most `max` of them, longest idle first. Found by index.
 */
int ledger_each_filled_file(struct ledger *l, uint64_t min_bytes, uint32_t max,
			    int (*each)(void *arg, const struct ledger_file *f), void *arg)
	WARN_UNUSED;

/*
 * Files of one execution with a lifetime of their own that ends, and with something in them: at most `max` of them, longest
 * idle first, but for the ttl that some have of their own. Found by index.
 */
int ledger_each_idle_file(struct ledger *l, uint64_t number, uint32_t max,
			  int (*each)(void *arg, const struct ledger_file *f), void *arg)
	WARN_UNUSED;

/* When, in the ledger's time, the next file with a lifetime of its own expires; INT64_MAX if none. */
int ledger_next_file_expiry(struct ledger *l, int64_t default_ttl_ns, int64_t *ret_ns) WARN_UNUSED;

/* The releases recorded under this execution id, newest first, at most `max`. */
int ledger_each_release(struct ledger *l, const char *id, uint32_t max,
			int (*each)(void *arg, const struct ledger_release *r), void *arg)
	WARN_UNUSED;

/* Sums of the file rows of one execution; *ret_bytes is INT64_MAX if there are more. */
int ledger_usage(struct ledger *l, uint64_t number, uint64_t *ret_files, uint64_t *ret_bytes)
	WARN_UNUSED;

/* What was told of this file by ledger_file_sealed(). -ENODATA: nothing. */
int ledger_seal(struct ledger *l, uint64_t ino, struct ledger_seal *ret) WARN_UNUSED;

/* ---- which files have the same content, and which share it ---- */

/* A file that may have the same content as another: whoever wants to know compares. */
struct ledger_twin {
	uint64_t ino;
	uint64_t execution;
	int32_t handle_type;
	uint8_t handle_len;
	uint8_t handle[LEDGER_HANDLE_MAX];
	char blob[LEDGER_BLOB_MAX + 1]; /* "": not a stub */
};

/*
 * One stub for each blob whose name is `base` (HASH-SIZE) or begins with that and "-"; at most `max` of them, by name.
 * Returns how many.
 */
int ledger_stub_twins(struct ledger *l, const char *base, uint32_t max, struct ledger_twin *ret)
	WARN_UNUSED;

/* Files that are no stubs and had this hash and size when they were last hashed; not `except_ino` itself. */
int ledger_file_twins(struct ledger *l, const struct ledger_seal *seal, uint64_t except_ino,
		      uint32_t max, struct ledger_twin *ret) WARN_UNUSED;

/* The file's own row. -ENODATA: none. */
int ledger_file_find(struct ledger *l, uint64_t ino, struct ledger_twin *ret) WARN_UNUSED;

/* How many rows name the blob. */
int ledger_blob_refs(struct ledger *l, const char *blob, uint64_t *ret_refs) WARN_UNUSED;

/* Stubs of the blob, by inode number, from the one behind `after_ino` on; at most `max`. Returns how many. */
int ledger_blob_stubs(struct ledger *l, const char *blob, uint64_t after_ino, uint32_t max,
		      struct ledger_twin *ret) WARN_UNUSED;

/* When an execution that has a stub of it, or a stub with a lifetime of its own, was active last. 0: none. */
int ledger_blob_activity(struct ledger *l, const char *blob, int64_t *ret_ns) WARN_UNUSED;

/*
 * Files of an execution that have their content themselves, at least `min_bytes` of it, in the same way. Without those
 * that ledger_each_filled_file() tells of.
 */
int ledger_filled_files_of(struct ledger *l, uint64_t number, uint64_t after_ino,
			   uint64_t min_bytes, uint32_t max, struct ledger_twin *ret) WARN_UNUSED;

struct ledger_stubs {
	uint64_t files;
	uint64_t bytes;	      /* their sizes */
	uint64_t share_bytes; /* their part of their blobs: each has as much of it as the others */
};

/* Of the stubs of one execution; and of all, without their part. */
int ledger_stub_usage(struct ledger *l, uint64_t number, struct ledger_stubs *ret) WARN_UNUSED;
int ledger_stub_usage_all(struct ledger *l, struct ledger_stubs *ret) WARN_UNUSED;

struct ledger_stats {
	uint64_t events;       /* queued since start */
	uint64_t commits;      /* transactions since start */
	uint64_t waits;	       /* times a caller waited for room in the queue */
	uint64_t lost;	       /* events dropped, see above */
	uint64_t queued_bytes; /* now */
	int error;	       /* negative errno of the last commit, 0 if it went well */
	uint64_t stubs_gone;   /* rises when rows with a blob have gone, or may have */
	bool agrees;	       /* the rows agree with the tree, but for what is queued */
	/* Since start, by enum ledger_reason: ledger_release() calls, and the bytes they told of. */
	uint64_t released[LEDGER_REASON_MAX_];
	uint64_t released_bytes[LEDGER_REASON_MAX_];
};

void ledger_stats(struct ledger *l, struct ledger_stats *ret);

/* Size of the write-ahead log of the ledger that is in directory `dirfd`; 0: there is none. */
uint64_t ledger_log_bytes(int dirfd);

#endif
