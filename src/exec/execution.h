/* SPDX-License-Identifier: MIT */
/*
 * Executions: the unit of ownership and lifetime. One object per ID that is real (has a name at the top of
 * the tree) or that somebody looks at; and one per ID that has data in n8n's, apart from it, because nothing
 * that ends the one may touch the other.
 *
 *     VIRTUAL ---- exec_name_add(): the first top-level name ----> ACTIVE
 *     ACTIVE  ---- exec_name_drop(): the last one removed -------> VIRTUAL
 *     ACTIVE  ---- exec_release(): names moved to trash ---------> RELEASED, for ever
 *
 * A RELEASED object is out of the table; the same ID starts again with a new object. Whoever holds the old
 * one (an inode of a released file) is told by exec_enter().
 *
 * Threading: everything may be called from any thread. Counters and the time of the last activity are
 * atomics; the rest is under the object's lock.
 */
#ifndef EXEC_EXECUTION_H
#define EXEC_EXECUTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "exec/flats.h"
#include "exec/rule.h"
#include "exec/size_sum.h"
#include "exec/viewer.h"
#include "ledger/ledger.h"
#include "store/handle.h"
#include "store/store.h"
#include "store/trash.h"
#include "util/clock.h"
#include "util/lock.h"

struct exec_table;

enum exec_state {
	EXEC_VIRTUAL,
	EXEC_ACTIVE,
	EXEC_RELEASING, /* waits for those inside: exec_enter() waits, exec_enter_nested() does not */
	EXEC_MOVING, /* nobody is inside; decides at once between RELEASED and ACTIVE: all wait */
	EXEC_RELEASED,
};

struct execution {
	/* Constant. */
	char id[RULE_ID_MAX + 1];
	enum lifetime lifetime;

	/* exec_table.lock */
	struct execution *hash_next;

	/* Atomics. */
	_Atomic uint32_t refs;		  /* falls to 0 under exec_table.lock only */
	_Atomic int state;		  /* enum exec_state; changes under `lock` */
	_Atomic uint32_t busy;		  /* operations between exec_enter() and exec_leave() */
	_Atomic uint32_t open;		  /* open regular files */
	_Atomic uint64_t events;	  /* counts activity: unchanged means nothing happened */
	_Atomic int64_t activity_mono_ns; /* coarse clock */
	_Atomic uint64_t files;
	struct size_sum bytes;
	struct size_sum
		nameless_bytes; /* of files without a name that are open, with limit=strict */
	_Atomic bool vacant;	/* its directory may be empty: see exec_vacate() */
	_Atomic bool recount;	/* the sums may be wrong: the reaper takes them from the ledger */
	_Atomic uint64_t
		spilled_events; /* the reaper's: events + 1 when it had nothing left to spill */
	_Atomic int64_t saved_mono_ns; /* activity as the ledger knows it; changes under `lock` */
	_Atomic int64_t due_mono_ns;   /* not over before; changes under `lock`, 0: look at it */

	struct lock lock;	/* rank LOCK_EXEC; held across renames into the trash and marks */
	pthread_cond_t idle;	/* lock: busy fell to 0 while RELEASING or MOVING */
	pthread_cond_t decided; /* lock: RELEASING or MOVING is over */
	uint64_t number; /* lock: in the ledger; new each time it becomes real; 0 while virtual */
	struct ledger_owner owner; /* lock */
	int64_t created_real_ns;   /* lock */
	int64_t ttl_ns;		   /* lock: set by hand, or LEDGER_TTL_DEFAULT */
	bool pinned;		   /* lock */
	int64_t retry_mono_ns;	   /* lock: found in use; not looked at again before */
	bool has_dir;		   /* lock */
	bool dir_auto;		   /* lock: made by batonfs, goes when empty */
	uint64_t dir_ino;	   /* lock: shown by the mount */
	struct handle dir;	   /* lock */
	struct flats flats;	   /* lock */
};

/* See exec/limit.h. */
struct exec_limits {
	uint64_t bytes; /* 0: none */
	uint64_t files; /* 0: none */
	bool strict;	/* every write is checked, not every open */
};

struct exec_config {
	struct exec_limits limits;
	int64_t ttl_ns; /* of the mount; LEDGER_TTL_NEVER for never */
	bool autodir;
	mode_t dir_mode; /* of directories that batonfs makes */
	struct privacy privacy;
};

/*
 * What the layer above wants to know of names at the top of the tree, which are in the kernel's cache. `going`: of each that
 * is about to be removed, under e->lock; what it returns is handed to the one that follows, which are called without
 * locks: `gone`, it is no more, and was one of e's, which has been released; or `stays`.
 */
struct exec_upcalls {
	void *ctx; /* borrowed */
	uint32_t (*going)(void *ctx, const char *name);
	void (*gone)(void *ctx, struct execution *e, const char *name, uint32_t going);
	void (*stays)(void *ctx, uint32_t going);
};

/* Borrows store, trash and ledger for its life. */
int exec_table_new(const struct store *store, struct trash *trash, struct ledger *ledger,
		   const struct exec_config *config, uint64_t next_number, struct exec_table **ret)
	WARN_UNUSED;
void exec_table_free(struct exec_table *t);
void exec_table_set_upcalls(struct exec_table *t, const struct exec_upcalls *up);
/* What is constant of it: all but limits and ttl_ns. */
const struct exec_config *exec_table_config(const struct exec_table *t);

/*
 * Another time-to-live and other limits for executions without ones of their own, from now on. Who has more than a limit
 * keeps it. `strict` stays as it was. 0; -ENOMEM: some of the lifetimes are found out only when they are next used.
 */
int exec_tune(struct exec_table *t, int64_t ttl_ns, const struct exec_limits *limits) WARN_UNUSED;
int64_t exec_default_ttl(const struct exec_table *t);
struct exec_limits exec_default_limits(const struct exec_table *t);

/* The execution `id`, made VIRTUAL if there is none. The caller owns a reference. NULL: out of memory. */
struct execution *exec_get(struct exec_table *t, const char *id, enum lifetime lifetime);
/*
 * Only if it is ACTIVE (or being released, which may fail yet); n8n's if no other is. The caller owns a reference.
 */
struct execution *exec_lookup(struct exec_table *t, const char *id);
/*
 * For what has an execution that is not known yet, or none any more: RELEASED, without an ID, in no list. The caller
 * owns a reference.
 */
struct execution *exec_none(struct exec_table *t);
static inline bool exec_is_none(const struct execution *e)
{
	return !e->id[0];
}
/* One more, by somebody who has one. */
struct execution *exec_ref(struct execution *e);
void exec_unref(struct exec_table *t, struct execution *e);

/*
 * Every ACTIVE execution (or one being released), in no order, without the table's lock during the call. `each`
 * returns 0 to go on; its other values end the walk and are returned. -ENOMEM.
 */
int exec_each(struct exec_table *t, int (*each)(void *arg, struct execution *e), void *arg)
	WARN_UNUSED;
/*
 * The same for those that `wanted` says. It is asked under the table's lock, which others get in between: so it
 * may only read atomics, and if the table grows meanwhile an execution may come twice.
 */
int exec_each_wanted(struct exec_table *t, bool (*wanted)(void *arg, struct execution *e),
		     int (*each)(void *arg, struct execution *e), void *arg) WARN_UNUSED;
uint64_t exec_count(struct exec_table *t);

/*
 * Begin an operation that changes something in the execution; it will not be released before
 * exec_leave(). 0, or -ESTALE: it has been released. Counts as activity.
 */
int exec_enter(struct execution *e) WARN_UNUSED;
/*
 * The same by somebody who is inside this or another execution already (a rename). Who releases that one may
 * be waiting for him, so he waits for no release that has not begun to move names.
 */
int exec_enter_nested(struct execution *e) WARN_UNUSED;
void exec_leave(struct execution *e);
void exec_touch(struct execution *e);

/* An open file more or less; counts as activity. exec_opened() follows exec_enter() or a lookup. */
void exec_opened(struct execution *e);
void exec_closed(struct execution *e);

void exec_account(struct execution *e, int64_t files, int64_t bytes);

/* Number in the ledger, 0 while virtual. */
uint64_t exec_number(struct execution *e);

/* Whether it is another user's than `uid`; what is virtual is nobody's. */
bool exec_is_others(struct execution *e, uid_t uid);

/* The execution's own directory: 0 and its handle, or -ENOENT while there is none. */
int exec_dir(struct execution *e, struct handle *ret) WARN_UNUSED;
/* Whether batonfs made it, and the inode number it then has in the mount. */
bool exec_dir_is_auto(struct execution *e, uint64_t *ret_ino);

/* Of a released one: the directory that it had last, and the inode number that this showed; 0: never any. */
void exec_dir_had(struct execution *e, struct handle *ret, uint64_t *ret_ino);

/*
 * Make the directory that so far was virtual, for the calling thread's ids. 0 (also if somebody was
 * faster) or -errno. *ret_made: whether the root changed.
 */
int exec_materialise(struct exec_table *t, struct execution *e, const struct ledger_owner *by,
		     struct handle *ret_dir, bool *ret_made) WARN_UNUSED;

/* The inode number the mount shows for the directory `id` that batonfs makes: the same at any time. */
uint64_t exec_auto_ino(const char *id);

/* Inode numbers at or above this are batonfs's own. Source: below 2^53, so that JavaScript can say them. */
#define EXEC_INO_BASE (UINT64_C(1) << 52)

/* A directory `dir` or a flat file now stands at the top under `name`. First one: ACTIVE. 0 or -ENOMEM. */
int exec_dir_add(struct exec_table *t, struct execution *e, const struct handle *dir, uint64_t ino,
		 bool is_auto, const struct ledger_owner *by) WARN_UNUSED;
int exec_flat_add(struct exec_table *t, struct execution *e, const char *name,
		  const struct ledger_owner *by) WARN_UNUSED;
/*
 * Whether what stands at the top under `name` is the execution's: its directory, if that is `dir`; with `dir` NULL
 * a flat file. *ret_auto_ino: its number, if it is a directory that batonfs made, else 0.
 */
bool exec_has_name(struct execution *e, const char *name, const struct handle *dir,
		   uint64_t *ret_auto_ino);
/*
 * Copy the i-th flat file's name. false: there is none. For walks; if the list changes in between, one that
 * was there all the time may be missed.
 */
bool exec_flat_name(struct execution *e, size_t i, char *buf, size_t len);
/* Real without a name at the top: `_` and n8n's. */
void exec_activate(struct exec_table *t, struct execution *e, const struct ledger_owner *by);

/* The directory, or the flat file `name`, was removed or moved away by a client. Last one: VIRTUAL. */
void exec_dir_drop(struct exec_table *t, struct execution *e, enum ledger_reason reason);
void exec_flat_drop(struct exec_table *t, struct execution *e, const char *name);

/*
 * Whoever has left an execution calls this: its directory may be empty now. If batonfs made it, the reaper lets it
 * vanish when nothing has happened for EXEC_LINGER_NS, so that one whose files come and go is not made and
 * removed each time.
 */
void exec_vacate(struct execution *e);

/* How long an empty directory of batonfs's making stays. Source: longer than the gaps in a hand-off. */
#define EXEC_LINGER_NS NS_PER_S

/*
 * If the directory was made by batonfs, is empty, and carries nothing set by hand: remove it. Returns
 * whether it did, so that the root changed. Not while an operation is under way: whoever has entered calls
 * exec_vacate() when he has left, so that it is tried again.
 */
bool exec_vanish(struct exec_table *t, struct execution *e);

/*
 * At start: bring back what the ledger (row, or NULL) and the tree say. The directory and the flat files
 * are added as usual afterwards.
 */
void exec_restore(struct exec_table *t, struct execution *e, const struct ledger_execution *row);
/* Set by hand, as found in the directory's marks: these win over the row, which is written if `save`. */
void exec_restore_marks(struct exec_table *t, struct execution *e, int64_t ttl_ns, bool pinned,
			bool save);

/*
 * Lifetime. ttl_ns in nanoseconds, LEDGER_TTL_DEFAULT or LEDGER_TTL_NEVER. Kept in marks of the
 * directory, which is made if there is none (*ret_made as above), before the call returns. 0 or -errno.
 */
int exec_set_ttl(struct exec_table *t, struct execution *e, int64_t ttl_ns, bool *ret_made)
	WARN_UNUSED;
int exec_set_pinned(struct exec_table *t, struct execution *e, bool pinned, bool *ret_made)
	WARN_UNUSED;

/* In force now: the execution's own or the mount's. */
int64_t exec_ttl(struct exec_table *t, struct execution *e);

/* When it expires, CLOCK_REALTIME; INT64_MAX: never (pinned, external, no ttl). */
int64_t exec_expires_real_ns(struct exec_table *t, struct execution *e);

/* A consistent copy for those who print. */
struct exec_info {
	char id[RULE_ID_MAX + 1];
	enum exec_state state;
	enum lifetime lifetime;
	uint64_t number;
	struct ledger_owner owner;
	int64_t created_real_ns;
	int64_t activity_real_ns;
	int64_t expires_real_ns; /* INT64_MAX: never */
	int64_t ttl_ns;		 /* resolved; LEDGER_TTL_NEVER */
	bool pinned;
	uint64_t bytes;
	uint64_t files;
	struct exec_limits limits;
	uint32_t open;
};

void exec_info(struct exec_table *t, struct execution *e, struct exec_info *ret);

/* Its files whose content is shared, as the ledger has them: waits for what is queued. 0 or -errno. */
int exec_stubs(struct exec_table *t, struct execution *e, struct ledger_stubs *ret) WARN_UNUSED;

/*
 * Give the execution up: its names go to the trash at once, and the reason to the ledger. With
 * `only_if_idle` nothing happens (-EBUSY) unless no operation is under way, no file is open, and
 * `events` is still the given count. 0, -ESTALE (somebody was faster), -EBUSY, -EPERM (LIFETIME_EXTERNAL or
 * `_`), -errno of the rename (the execution stays).
 */
struct exec_release_args {
	enum ledger_reason reason;
	struct ledger_owner by; /* all zero: batonfs */
	bool only_if_idle;
	uint64_t events;
};

/* Move one file, if the name still is the inode `ino`, into the trash; see trash_take_inode(). */
int exec_trash_inode(struct exec_table *t, int dirfd, const char *name, uint64_t ino) WARN_UNUSED;

/* See trash_watch(), trash_unwatch(). */
int exec_watch(struct exec_table *t, struct trash_watch *w) WARN_UNUSED;
void exec_unwatch(struct exec_table *t, uint64_t ino);

int exec_release(struct exec_table *t, struct execution *e, const struct exec_release_args *args)
	WARN_UNUSED;

#endif
