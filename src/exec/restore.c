/* SPDX-License-Identifier: MIT */
/*
 * The tree is the truth: an execution is what has a name at its top; the ledger adds who made it, and when it was last
 * used. Without a row the owner of the file is taken, and its time starts now.
 */
#include "exec/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "exec/exec_table.h"
#include "store/mark.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dir.h"
#include "util/log.h"

struct rows {
	struct ledger_execution *items; /* owned; sorted by id */
	bool *used;			/* owned */
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
	rows->used[lo] = true;
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

static int restore_directory(struct exec_table *t, struct execution *e, int tree_fd,
			     const char *name, const struct stat *st, const struct ledger_owner *by,
			     const struct ledger_execution *row)
{
	_cleanup_close_ int fd =
		openat(tree_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int64_t ttl = LEDGER_TTL_DEFAULT;
	int64_t pinned = 0;
	int64_t ino = 0;
	struct handle h;
	int r;

	if (fd < 0)
		return -errno;
	r = handle_at(fd, "", &h);
	if (r < 0)
		return r;
	r = mark_get(fd, MARK_AUTO, &ino);
	r = exec_dir_add(t, e, &h, r == 0 ? (uint64_t)ino : st->st_ino, r == 0, by);
	if (r < 0)
		return r;
	if (mark_get(fd, MARK_TTL, &ttl) < 0)
		ttl = LEDGER_TTL_DEFAULT;
	if (mark_get(fd, MARK_PINNED, &pinned) < 0)
		pinned = 0;
	exec_restore_marks(t, e, ttl, pinned != 0,
			   !row || row->ttl_ns != ttl || row->pinned != (pinned != 0));
	return 0;
}

static int restore_name(struct exec_table *t, int tree_fd, const char *name, struct rows *rows)
{
	const struct ledger_execution *row;
	struct ledger_owner by = { 0 };
	struct rule_match m;
	struct execution *e;
	struct stat st;
	int r = 0;

	if (fstatat(tree_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	by.uid = st.st_uid;
	by.gid = st.st_gid;
	rule_match(PLACE_ROOT, name, S_ISDIR(st.st_mode), &m);
	e = exec_get(t, m.id, m.lifetime);
	if (!e)
		return -ENOMEM;
	row = restore_from_row(t, e, rows);
	if (m.lifetime != LIFETIME_TTL)
		exec_activate(t, e, &by);
	else if (S_ISDIR(st.st_mode))
		r = restore_directory(t, e, tree_fd, name, &st, &by, row);
	else
		r = exec_flat_add(t, e, name, &by);
	exec_unref(t, e);
	return r;
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
		.activity_real_ns = row->activity_real_ns,
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

int restore_executions(struct exec_table *t, const struct store *store, struct ledger *ledger,
		       bool clean)
{
	_cleanup_(rows_done) struct rows rows = { 0 };
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	struct stat st;
	int r = ledger_each_execution(ledger, rows_add, &rows);

	if (r < 0)
		return r;
	rows.used = calloc(rows.n + 1, sizeof(*rows.used));
	if (!rows.used)
		return -ENOMEM;
	if (rows.n > 0)
		qsort(rows.items, rows.n, sizeof(*rows.items), compare_rows);

	r = dir_open(store->tree_fd, ".", &dir);
	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name))
			r = restore_name(t, store->tree_fd, d->d_name, &rows);
	}
	if (r == 0 && errno)
		r = -errno;
	if (r < 0)
		return r;
	settle_rest(t, ledger, &rows,
		    clean && fstatat(store->tree_fd, RULE_N8N, &st, AT_SYMLINK_NOFOLLOW) == 0);
	/* Who was killed did not come to let the empty directories of its making vanish. */
	return clean ? 0 : exec_each(t, note_vacant, NULL);
}
