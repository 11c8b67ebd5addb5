/* SPDX-License-Identifier: MIT */
/*
 * The tree is the truth: an execution is what has a name at its top; the ledger adds who made it, and when it was last
 * used. Without a row the owner of the file is taken, and its time starts now.
 */
#include "exec/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "exec/exec_table.h"
#include "store/dirprobe.h"
#include "store/mark.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dir.h"
#include "util/log.h"

/* Threads that look at names, at most. Source: more gain nothing, all ask the same directory. */
#define THREADS_MAX 4

/* Names for a thread at least: a thread takes as long to start as some ten names. */
#define NAMES_PER_THREAD 256

/* Names that a thread takes at a time. */
#define NAMES_AT_ONCE 32

/* At the top of the tree. */
struct name {
	uint64_t ino;
	bool is_dir;
	char text[];
};

struct rows {
	struct ledger_execution *items; /* owned; sorted by id */
	_Atomic bool *used;		/* owned */
	size_t n;
	size_t room;
};

static void rows_done(struct rows *rows)
{
	free(rows->items);
	free(rows->used);
}

static int rows_add(void *arg, const struct ledger_execution *e)
{
	struct rows *rows = arg;

	if (rows->n == rows->room) {
		size_t room = rows->room ? rows->room * 2 : 256;
		struct ledger_execution *grown = reallocarray(rows->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->items = grown;
		rows->room = room;
	}
	rows->items[rows->n++] = *e;
	return 0;
}

/* By id, newest number first. */
static int compare_rows(const void *a, const void *b)
{
	const struct ledger_execution *x = a;
	const struct ledger_execution *y = b;
	int c = strcmp(x->id, y->id);

	return c ? c : (x->number < y->number) - (x->number > y->number);
}

static struct ledger_execution *rows_find(struct rows *rows, const char *id)
{
	size_t lo = 0;
	size_t hi = rows->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (strcmp(rows->items[mid].id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == rows->n || strcmp(rows->items[lo].id, id) != 0)
		return NULL;
	atomic_store_explicit(&rows->used[lo], true, memory_order_relaxed);
	return &rows->items[lo];
}

/* Returns its row, or NULL. */
static const struct ledger_execution *restore_from_row(struct exec_table *t, struct execution *e,
						       struct rows *rows)
{
	char id[sizeof(EXEC_ROW_EXTERNAL) + RULE_ID_MAX];
	struct ledger_execution *row;

	(void)snprintf(id, sizeof(id), "%s%s",
		       e->lifetime == LIFETIME_EXTERNAL ? EXEC_ROW_EXTERNAL : "", e->id);
	row = rows_find(rows, id);
	if (row)
		exec_restore(t, e, row);
	return row;
}

static bool same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* As make_dir() leaves it before it has the mark: nothing was ever in it, and nobody has renamed or changed it. */
static bool is_unfinished(const struct exec_table *t, const struct statx *stx)
{
	return stx->stx_mask & STATX_BTIME && same_time(&stx->stx_btime, &stx->stx_mtime) &&
	       (same_time(&stx->stx_btime, &stx->stx_ctime) ||
		(stx->stx_mode & 07777) == t->config.dir_mode);
}

/* Who was killed while he made an execution's directory did not come to mark it. */
static void finish_directory(struct exec_table *t, const char *name, struct marks *marks)
{
	int64_t ino = (int64_t)exec_auto_ino(name);
	_cleanup_close_ int fd = -1;
	struct statx stx;

	if (marks->has[MARK_AUTO] || !t->config.autodir || !rule_is_n8n_id(name) ||
	    statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0 ||
	    !is_unfinished(t, &stx))
		return;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || dirprobe_empty(fd) <= 0)
		return;
	/* If it cannot be, it is taken for a client's, and stays until its time is over. */
	if (fchmod(fd, t->config.dir_mode) < 0 || mark_set(fd, MARK_AUTO, ino) < 0)
		return;
	marks->has[MARK_AUTO] = true;
	marks->value[MARK_AUTO] = ino;
}

/* The working directory is the tree. */
static int restore_directory(struct exec_table *t, struct execution *e, const struct name *name,
			     const struct ledger_owner *by, const struct ledger_execution *row,
			     bool clean)
{
	struct marks marks;
	int64_t ttl = LEDGER_TTL_DEFAULT;
	bool is_auto;
	bool pinned;
	struct handle h;
	int r = handle_at(AT_FDCWD, name->text, &h);

	if (r == 0)
		r = marks_read(name->text, &marks);
	if (r < 0)
		return r;
	if (!clean)
		finish_directory(t, name->text, &marks);
	/* Else it has got another name, from somebody who did not come to clear the mark: a client's since. */
	is_auto = marks.has[MARK_AUTO] &&
		  (uint64_t)marks.value[MARK_AUTO] == exec_auto_ino(name->text);
	r = exec_dir_add(t, e, &h, is_auto ? exec_auto_ino(name->text) : name->ino, is_auto, by);
	if (r < 0)
		return r;
	if (marks.has[MARK_TTL])
		ttl = marks.value[MARK_TTL];
	pinned = marks.has[MARK_PINNED] && marks.value[MARK_PINNED] != 0;
	exec_restore_marks(t, e, ttl, pinned, !row || row->ttl_ns != ttl || row->pinned != pinned);
	return 0;
}

/* Whose it is, if the ledger does not know; -ENOENT: it is gone. */
static int read_owner(const char *name, struct ledger_owner *ret)
{
	struct stat st;

	if (lstat(name, &st) < 0)
		return -errno;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	return 0;
}

static int restore_name(struct exec_table *t, const struct name *name, struct rows *rows,
			bool clean)
{
	const struct ledger_execution *row;
	struct ledger_owner by = { 0 };
	struct rule_match m;
	struct execution *e;
	int r = 0;

	rule_match(PLACE_ROOT, name->text, name->is_dir, &m);
	e = exec_get(t, m.id, m.lifetime);
	if (!e)
		return -ENOMEM;
	row = restore_from_row(t, e, rows);
	if (!row)
		r = read_owner(name->text, &by);
	if (r < 0)
		; /* gone, or cannot be looked at */
	else if (m.lifetime != LIFETIME_TTL)
		exec_activate(t, e, &by);
	else if (name->is_dir)
		r = restore_directory(t, e, name, &by, row, clean);
	else
		r = exec_flat_add(t, e, name->text, &by);
	exec_unref(t, e);
	return r == -ENOENT ? 0 : r;
}

/* It is in the ledger and not in the tree: it has ended, and the reason was lost with whoever was killed. */
static void end_unrecorded(struct exec_table *t, struct ledger *ledger,
			   const struct ledger_execution *row)
{
	struct ledger_release record = {
		.number = row->number,
		.reason = LEDGER_UNRECORDED,
		.owner = row->owner,
		.created_real_ns = row->created_real_ns,
		.activity_real_ns = exec_mono_to_real_ns(row->activity_ns - ledger_base_ns(ledger)),
		.released_real_ns = clock_real_ns(),
		.ttl_ns = row->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(t) : row->ttl_ns,
	};

	memcpy(record.id, row->id, sizeof(record.id));
	if (ledger_usage(ledger, row->number, &record.files, &record.bytes) < 0)
		record.files = record.bytes = 0;
	ledger_release(ledger, &record);
}

/* Rows without a name at the top: n8n's executions live deeper; all others are no more. */
static void settle_rest(struct exec_table *t, struct ledger *ledger, struct rows *rows,
			bool keep_external)
{
	for (size_t i = 0; i < rows->n; i++) {
		const char *id = rows->items[i].id;
		struct execution *e;

		if (rows->used[i])
			continue;
		if (strncmp(id, EXEC_ROW_EXTERNAL, strlen(EXEC_ROW_EXTERNAL)) != 0 &&
		    strcmp(id, RULE_OTHER) != 0) {
			end_unrecorded(t, ledger, &rows->items[i]);
			continue;
		}
		if (!keep_external || strcmp(id, RULE_OTHER) == 0) {
			ledger_execution_forget(ledger, rows->items[i].number);
			continue;
		}
		e = exec_get(t, id + strlen(EXEC_ROW_EXTERNAL), LIFETIME_EXTERNAL);
		if (e)
			exec_restore(t, e, &rows->items[i]);
		exec_unref(t, e);
	}
}

static int note_vacant(void *arg, struct execution *e)
{
	(void)arg;
	exec_vacate(e);
	return 0;
}

/* ---- the names at the top ---- */

struct names {
	struct name **items; /* owned, and each of them */
	size_t n;
	size_t room;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
}

static int names_add(struct names *names, const struct dirent *d, bool is_dir)
{
	size_t len = strlen(d->d_name) + 1;
	struct name *name;

	if (names->n == names->room) {
		size_t room = names->room ? names->room * 2 : 256;
		struct name **grown = reallocarray(names->items, room, sizeof(struct name *));

		if (!grown)
			return -ENOMEM;
		names->items = grown;
		names->room = room;
	}
	name = malloc(sizeof(*name) + len);
	if (!name)
		return -ENOMEM;
	name->ino = d->d_ino;
	name->is_dir = is_dir;
	memcpy(name->text, d->d_name, len);
	names->items[names->n++] = name;
	return 0;
}

/* Not all filesystems tell in the listing. */
static bool is_directory(int dirfd, const struct dirent *d)
{
	struct stat st;

	if (d->d_type != DT_UNKNOWN)
		return d->d_type == DT_DIR;
	return fstatat(dirfd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int names_read(struct names *names, int dirfd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int r = dir_open(dirfd, ".", &dir);

	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name))
			r = names_add(names, d, is_directory(dirfd, d));
	}
	return r < 0 ? r : -errno;
}

/* ---- in threads ---- */

struct restore {
	struct exec_table *table;  /* borrowed */
	const struct store *store; /* borrowed */
	struct ledger *ledger;	   /* borrowed */
	bool clean;
	struct rows rows;    /* owned */
	struct names names;  /* owned */
	_Atomic size_t next; /* of the names */
	_Atomic int error;
	pthread_t thread;
};

static void restore_free(struct restore *rs)
{
	if (!rs)
		return;
	rows_done(&rs->rows);
	names_done(&rs->names);
	free(rs);
}
DEFINE_CLEANUP(struct restore *, restore_free)

static void failed(struct restore *rs, int r)
{
	int none = 0;

	(void)atomic_compare_exchange_strong(&rs->error, &none, r);
}

/* With a working directory of its own: by a path of one name the kernel is asked soonest. */
static void *look_at_names(void *arg)
{
	struct restore *rs = arg;
	size_t at;

	if (unshare(CLONE_FS) < 0 || fchdir(rs->store->tree_fd) < 0) {
		failed(rs, -errno);
		return NULL;
	}
	while (atomic_load(&rs->error) == 0 &&
	       (at = atomic_fetch_add(&rs->next, NAMES_AT_ONCE)) < rs->names.n) {
		for (size_t i = at; i < MIN_OF(at + NAMES_AT_ONCE, rs->names.n); i++) {
			int r = restore_name(rs->table, rs->names.items[i], &rs->rows, rs->clean);

			if (r < 0)
				failed(rs, r);
		}
	}
	return NULL;
}

/* The calling thread, and others if there are many. */
static void look_at_all_names(struct restore *rs)
{
	pthread_t threads[THREADS_MAX];
	size_t wanted = MIN_OF((size_t)get_nprocs() - 1, rs->names.n / NAMES_PER_THREAD);
	size_t n = 0;

	while (n < MIN_OF(wanted, (size_t)THREADS_MAX) &&
	       pthread_create(&threads[n], NULL, look_at_names, rs) == 0)
		n++;
	(void)look_at_names(rs);
	for (size_t i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
}

static int read_rows(struct restore *rs)
{
	struct rows *rows = &rs->rows;
	int r = ledger_each_execution(rs->ledger, rows_add, rows);

	if (r < 0)
		return r;
	rows->used = calloc(rows->n + 1, sizeof(*rows->used));
	if (!rows->used)
		return -ENOMEM;
	if (rows->n > 0)
		qsort(rows->items, rows->n, sizeof(*rows->items), compare_rows);
	return 0;
}

static int restore_all(struct restore *rs)
{
	struct stat st;
	int r = read_rows(rs);

	if (r == 0)
		r = names_read(&rs->names, rs->store->tree_fd);
	if (r == 0) {
		look_at_all_names(rs);
		r = atomic_load(&rs->error);
	}
	if (r < 0)
		return r;
	settle_rest(rs->table, rs->ledger, &rs->rows,
		    rs->clean &&
			    fstatat(rs->store->tree_fd, RULE_N8N, &st, AT_SYMLINK_NOFOLLOW) == 0);
	/* Who was killed did not come to let the empty directories of its making vanish. */
	return rs->clean ? 0 : exec_each(rs->table, note_vacant, NULL);
}

static void *restore(void *arg)
{
	struct restore *rs = arg;
	int r = restore_all(rs);

	if (r < 0)
		failed(rs, r);
	return NULL;
}

int restore_begin(struct exec_table *t, const struct store *store, struct ledger *ledger,
		  bool clean, struct restore **ret)
{
	_cleanup_(restore_freep) struct restore *rs = calloc(1, sizeof(*rs));
	int r;

	if (!rs)
		return -ENOMEM;
	rs->table = t;
	rs->store = store;
	rs->ledger = ledger;
	rs->clean = clean;
	r = pthread_create(&rs->thread, NULL, restore, rs);
	if (r)
		return -r;
	*ret = TAKE_PTR(rs);
	return 0;
}

int restore_end(struct restore *rs)
{
	int r;

	if (!rs)
		return 0;
	(void)pthread_join(rs->thread, NULL);
	r = atomic_load(&rs->error);
	restore_free(rs);
	return r;
}

int restore_executions(struct exec_table *t, const struct store *store, struct ledger *ledger,
		       bool clean)
{
	struct restore *rs = NULL;
	int r = restore_begin(t, store, ledger, clean, &rs);

	return r < 0 ? r : restore_end(rs);
}
