/* SPDX-License-Identifier: MIT */
/*
 * The FUSE front from inside: what all its modules share. One `struct fs` per mount; it borrows the layers below and
 * owns the inode table, the directory cache and the notifier.
 *
 *     ops.c        the table of operations        node.c, node_exec.c   an inode; whose it is
 *     op_*.c       the operations                 opens.c     what is open, and how
 *     itable.c     inodes the kernel knows        inode_array.c, inode_hash.c   where they are
 *     backing.c    passthrough                    known_ids.c  IDs that are not there
 *     reply.h      the one way to answer          notify.c    the kernel's cache
 *     session.c    mount, threads                 readers.c   how many of them read
 *     spin.c       how one of them waits          refresh.c   attributes after a close
 *     prune.c      a large execution's names      sealing.c   closed and written again
 *     content.c    where a file's content is      move.c      on its way
 *     clone.c      copied without copying         forgotten.c  not known to the kernel
 *     request.c    what a thread is at, kept      resume.c    requests that are sent again
 *     takeover.c   in the place of another process      verdict.c   writes that wait for the guardian
 *     private.c    whom a name is for             drafting.c  content that begins on a disk
 *     latency.c    how long requests take         fs_metrics.c   what is counted, for Prometheus
 *     access.c     what they were, in words       accesslog.c    who reads that
 *     caller.c     who sends a request             hand_over.c    directories that change hands
 */
#ifndef FUSE_FS_H
#define FUSE_FS_H

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 17)
#endif

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/control.h"
#include "exec/execution.h"
#include "fuse/accesslog.h"
#include "fuse/backing.h"
#include "fuse/front.h"
#include "fuse/itable.h"
#include "fuse/known_ids.h"
#include "fuse/latency.h"
#include "fuse/notify.h"
#include "store/cred.h"
#include "store/dircache.h"
#include "store/store.h"

/*
 * How long the kernel may keep names and attributes, seconds. The store is ours alone and every change of
 * our own is announced, so: a day. Source: any value that makes refreshing negligible.
 */
#define CACHE_SECONDS 86400.0
/*
 * Attributes of a file with several names: one that goes with its execution changes the link count, of which the kernel may
 * stay untold if the process dies just then. Source: short enough for whoever compares, and such files are rare.
 */
#define CACHE_LINKED_SECONDS 1.0

/* FUSE operations that are counted; the order of the protocol's opcodes does not matter. */
/* clang-format off */
#define FS_OPS(X)                                                                                  \
	X(lookup) X(forget) X(getattr) X(setattr) X(readlink) X(mknod) X(mkdir) X(unlink)          \
	X(rmdir) X(symlink) X(rename) X(link) X(open) X(read) X(write) X(release) X(fsync)         \
	X(readdir) X(fsyncdir) X(statfs) X(setxattr) X(getxattr) X(listxattr) X(removexattr)       \
	X(create) X(tmpfile) X(fallocate) X(copy_file_range) X(lseek) X(ioctl)
/* clang-format on */

/* Source: the kernel's last errno is 133 (EHWPOISON). */
#define FS_ERRNO_MAX 134

enum fs_op {
#define X(name) FS_OP_##name,
	FS_OPS(X)
#undef X
		FS_OP_MAX_
};

/* Threads that opened a shared file lately. Source: as many as copy at a time. */
#define FS_CLONE_SOURCES 64

/* Places for files whose writer was told to come again. Source: few at a time, and two in one place do no harm. */
#define FS_EXPECTED_WRITERS 256

struct fs {
	/* Constant while requests are served. */
	struct fs_config config;
	const struct store *store;    /* borrowed */
	struct exec_table *execs;     /* borrowed */
	struct ledger *ledger;	      /* borrowed */
	struct seal *seal;	      /* borrowed */
	struct control *control;      /* borrowed */
	struct reaper *reaper;	      /* borrowed; NULL in tests */
	struct fuse_session *session; /* borrowed; set by session.c */
	struct itable *itable;	      /* owned */
	struct dircache *dirs;	      /* owned */
	struct notify *notify;	      /* owned */
	_Atomic(struct refresh *)
		refresh; /* owned by the session; NULL before its requests are read, and after */
	struct backing *backing;     /* owned */
	struct latency *latency;     /* owned */
	struct accesslog *accesslog; /* owned */
	char passthrough_why[128];   /* why passthrough is not used; "" if it is */
	int64_t start_real_ns;
	int fds_lent; /* descriptors below this are kept for clients, see fs_may_keep() */
	int fds_many; /* from this on there are fewer directories, likewise */

	_Atomic bool leaving;	      /* another process gives the answers that are not given yet */
	_Atomic bool no_prune;	      /* the kernel does not know the notification */
	_Atomic bool own_ttls;	      /* some file may have a ttl of its own: look for marks */
	struct lock claims_lock;      /* rank LOCK_CLAIMS */
	struct seal_claim *claims;    /* claims_lock; each its claimant's */
	_Atomic bool unsettled;	      /* files may be in the middle of what a crash left (stub.h) */
	_Atomic bool hidden;	      /* likewise, of what the disk refused; for ever */
	struct lock moves_lock;	      /* rank LOCK_MOVES */
	pthread_cond_t moved;	      /* moves_lock */
	struct move *moves;	      /* moves_lock; each its mover's */
	_Atomic uint32_t moving;      /* changes under moves_lock: how many they are */
	_Atomic uint64_t moves_begun; /* likewise: so far */
	struct lock verdict_lock;     /* rank LOCK_CONTROL */
	struct verdict_waiter *waiters;		    /* verdict_lock; owned: see verdict.h */
	struct aside *aside;			    /* verdict_lock; borrowed: see aside.c */
	_Atomic uint32_t known_next;		    /* see known_ids.c: the hand */
	_Atomic uint32_t known_dropping;	    /* likewise: left to the notifier */
	_Atomic uint64_t known[KNOWN_IDS_RING];	    /* likewise: node ids; 0: none */
	_Atomic uint64_t sources[FS_CLONE_SOURCES]; /* see clone.c */
	_Atomic int64_t expected_mono_ns[FS_EXPECTED_WRITERS]; /* see split.c: until when */
	_Atomic uint64_t clones;			       /* files copied so since the start */
	_Atomic uint64_t cloned_bytes;			       /* their sizes */
	_Atomic uint32_t writers; /* opens in passthrough of files in memory, if it can be short */
	_Atomic uint32_t exec_epoch; /* directories that changed their execution so far */
	_Atomic int64_t slow_ns; /* who takes so long is told of in the log; INT64_MAX: nobody */
	_Atomic uint64_t slow;	 /* so far */
	_Atomic uint64_t slow_untold;	   /* of those, since the last line about one */
	_Atomic int64_t slow_next_mono_ns; /* no line before that */
	_Atomic uint64_t requests[FS_OP_MAX_];
	_Atomic uint64_t opens_passthrough;
	_Atomic uint64_t opens_daemon;
	_Atomic uint64_t given_passthrough; /* bytes of files at their opens for reading */
	_Atomic uint64_t given_daemon;
	_Atomic uint64_t registered; /* backing files, since the start */
	_Atomic uint64_t read_bytes; /* by the daemon for clients */
	_Atomic uint64_t written_bytes;
	_Atomic uint64_t refreshed; /* files whose attributes were asked for after a close */
	_Atomic uint64_t errors[FS_OP_MAX_ + 1][FS_ERRNO_MAX]; /* answers, by operation and errno */
};

/* After INIT, before anything else: can files of this store be passed through? Sets passthrough_why if not. */
void fs_probe_passthrough(struct fs *fs);

/* The table of operations. */
struct fuse_lowlevel_ops fs_ops(const struct fs *fs);

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/*
 * The operation that this thread serves, FS_OP_MAX_ if none of the above: the thread's own, like its identity, since
 * nothing that libfuse hands from a request to its answer could carry it.
 */
extern __thread enum fs_op fs_op_now;

/* What it was answered, 0 or a negative errno, for access.c. Nothing resets it but access_begin(). */
extern __thread int fs_err_now;

/*
 * Whether a descriptor may be kept for a client, for as long as he likes: with three quarters of all in use, whoever
 * opens and unlinks many files would take the rest from all others. The kernel gives the lowest number that is free. With half in
 * use, directories are closed for it.
 */
bool fs_may_keep(struct fs *fs, int fd);

static inline void fs_count(struct fs *fs, enum fs_op op)
{
	fs_op_now = op;
	atomic_fetch_add_explicit(&fs->requests[op], 1, memory_order_relaxed);
}

static inline void fs_add(_Atomic uint64_t *count, uint64_t n)
{
	atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

/* An answer, a negative errno. */
static inline void fs_count_error(struct fs *fs, int err)
{
	unsigned int e = (unsigned int)-err;

	fs_err_now = err;
	fs_add(&fs->errors[fs_op_now][e < FS_ERRNO_MAX ? e : 0], 1);
}

/* "open"; "other" for FS_OP_MAX_. */
const char *fs_op_name(enum fs_op op);

/* Requests so far, in all. */
uint64_t fs_requests(const struct fs *fs);

/* This thread's identity (store/cred.h), made at its first request. 0 or -errno. */
int fs_thread_cred(struct cred **ret) WARN_UNUSED;

/* Become the caller of `req` for what is created next: new_dir picks dmask, else fmask. 0 or -errno. */
int fs_assume(struct fs *fs, fuse_req_t req, bool new_dir) WARN_UNUSED;

/* The kernel forgets the inode's attributes. That waits for nobody, so any thread may send it; no lock may be held. */
void fs_attributes_changed(struct fs *fs, uint64_t nodeid);

#endif
