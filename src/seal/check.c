/* SPDX-License-Identifier: MIT */
/*
 * Files by a walk of the tree, then the blobs. Repairs of files are the front's (settle_stub), which waits for who is at a file
 * just now and says what the ledger is to know.
 */
#include "seal/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "seal/garbage.h"
#include "store/draft.h"
#include "store/procfd.h"
#include "store/stub.h"
#include "store/walk.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* Looks at what seems wrong. Source: the ledger has committed in between, and what was on its way is there. */
#define LOOKS 3

/*
 * Then, as long as it is under way perhaps: a file that becomes a stub has its mark and its blocks while the disk writes the
 * mark, and no row for a moment. Source: that takes some 10 ms, and longer on a busy disk. All of a check together wait for so long at the most.
 */
#define WAIT_NS (5 * NS_PER_MS)
#define WAITS_OF_FILE 100
#define WAITS 1000

struct state {
	const struct check *c;
	struct task *task; /* what goes on just now; may be NULL */
	struct check_counts *counts;
	int waits; /* so far */
};

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[CHECK_KIND_MAX_] = {
		[CHECK_MARK_DAMAGED] = "damaged-mark",
		[CHECK_MARK_STALE] = "stale-mark",
		[CHECK_NOT_PUNCHED] = "not-punched",
		[CHECK_NO_BLOB] = "no-blob",
		[CHECK_LEDGER] = "ledger",
		[CHECK_BLOB_UNUSED] = "unused-blob",
		[CHECK_BLOB_FOREIGN] = "foreign",
	};

	return names[kind];
}

static int tell(struct state *s, enum check_kind kind, const char *path, bool repaired)
{
	struct check_problem p = { .kind = kind, .path = path, .repaired = repaired };

	s->counts->problems++;
	s->counts->repaired += repaired;
	return s->c->each(s->c->arg, &p);
}

/* ---- files ---- */

/* Is there a blob, of the size that its name says? */
static bool has_blob(const struct store *store, const struct blob_name *name)
{
	struct stat st;

	return blob_stat(store->blobs, name, &st) == 0 && S_ISREG(st.st_mode) &&
	       (draft_is(name) || (uint64_t)st.st_size == blob_name_bytes(name));
}

/* What the ledger has for it; "": an ordinary file, or no row. */
static int row_of(struct ledger *l, uint64_t ino, char ret[LEDGER_BLOB_MAX + 1])
{
	struct ledger_twin row;
	int r = ledger_file_find(l, ino, &row);

	if (r < 0 && r != -ENODATA)
		return r;
	strcpy(ret, r == 0 ? row.blob : "");
	return 0;
}

/* CHECK_KIND_MAX_: nothing is wrong. */
static int look(const struct check *c, int fd, bool *ret_stub)
{
	char row[LEDGER_BLOB_MAX + 1];
	struct blob_name name = { "" };
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = stub_get(fd, (uint64_t)st.st_size, &name);
	*ret_stub = r == 0;
	if (r == -EINVAL)
		return CHECK_MARK_DAMAGED;
	if (r == -ESTALE)
		return CHECK_MARK_STALE;
	if (r < 0 && r != -ENODATA)
		return r;
	if (*ret_stub && !has_blob(c->store, &name))
		return CHECK_NO_BLOB;
	if (*ret_stub && stub_has_blocks(&st))
		return CHECK_NOT_PUNCHED;
	r = row_of(c->ledger, st.st_ino, row);
	if (r < 0)
		return r;
	if (draft_is(&name) && row[0] == '\0') /* it needs none */
		return CHECK_KIND_MAX_;
	return strcmp(row, name.text) == 0 ? CHECK_KIND_MAX_ : CHECK_LEDGER;
}

/* Whether there is another look, the `i`-th, at what was found wrong. */
static bool wait_for_look(struct state *s, int i, int found)
{
	if (i < LOOKS)
		return true;
	if (found != CHECK_NOT_PUNCHED && found != CHECK_LEDGER)
		return false;
	if (i >= LOOKS + WAITS_OF_FILE || s->waits >= WAITS)
		return false;
	s->waits++;
	(void)nanosleep(&(struct timespec){ .tv_nsec = WAIT_NS }, NULL);
	return true;
}

static int look_again(struct state *s, int fd, bool *ret_stub)
{
	int r = look(s->c, fd, ret_stub);

	for (int i = 1; r >= 0 && r != CHECK_KIND_MAX_ && wait_for_look(s, i, r); i++) {
		int synced = ledger_sync(s->c->ledger);

		r = synced < 0 ? synced : look(s->c, fd, ret_stub);
	}
	return r;
}

/* The path as a client sees it, as far as it fits. */
static void path_of(const struct state *s, int fd, char *ret, size_t size)
{
	struct procfd link = procfd(fd);
	struct procfd top = procfd(s->c->store->tree_fd);
	char root[PATH_MAX];
	char path[PATH_MAX];
	ssize_t nroot = readlink(top.name, root, sizeof(root));
	ssize_t n = readlink(link.name, path, sizeof(path) - 1);

	if (nroot < 0 || n <= nroot)
		n = nroot = 0;
	path[n] = '\0';
	(void)snprintf(ret, size, "%s", path + nroot + (path[nroot] == '/'));
}

/* Looked at again: a repair is what is seen to have helped. */
static bool repair(struct state *s, const struct walk_entry *w, int fd, enum check_kind kind)
{
	const struct seal_upcalls *up = s->c->up;
	struct blob_name name;
	bool stub;

	if (!s->c->repair || kind == CHECK_NO_BLOB || kind == CHECK_MARK_DAMAGED)
		return false;
	return up->settle_stub(up->ctx, w->st->st_ino, w->handle, &name) >= 0 &&
	       ledger_sync(s->c->ledger) == 0 && look(s->c, fd, &stub) == CHECK_KIND_MAX_;
}

static int check_file(void *arg, const struct walk_entry *w, uint64_t *ret_tag)
{
	struct state *s = arg;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	bool stub;
	int r;

	(void)ret_tag;
	if (!S_ISREG(w->st->st_mode))
		return 0;
	fd = openat(w->dirfd, w->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	s->counts->files++;
	task_add(s->task, 1);
	r = look_again(s, fd, &stub);
	if (r < 0)
		return r;
	s->counts->stubs += stub;
	if (r == CHECK_KIND_MAX_ || (fstatat(w->dirfd, w->name, &(struct stat){ 0 }, 0) < 0))
		return 0; /* well, or gone by now */
	path_of(s, fd, path, sizeof(path));
	return tell(s, (enum check_kind)r, path, repair(s, w, fd, (enum check_kind)r));
}

/* ---- blobs ---- */

/* Somebody needs it, or it is gone by now. */
static bool is_needed(const struct check *c, const struct blob_name *name)
{
	uint64_t refs = 0;
	struct stat st;

	if (draft_is(name))
		return blob_is_pinned(c->store->blobs, name) ||
		       draft_is_needed(c->store->blobs, name) ||
		       blob_stat(c->store->blobs, name, &st) < 0;
	if (ledger_blob_refs(c->ledger, name->text, &refs) < 0 || refs > 0)
		return true;
	return blob_is_pinned(c->store->blobs, name) || ledger_sync(c->ledger) < 0 ||
	       ledger_blob_refs(c->ledger, name->text, &refs) < 0 || refs > 0 ||
	       blob_stat(c->store->blobs, name, &st) < 0;
}

static int check_blob(void *arg, const struct blob_info *info, const char *entry)
{
	struct state *s = arg;
	struct garbage removed;
	struct stat st;

	task_add(s->task, 1);
	if (!info->name.text[0])
		return tell(s, CHECK_BLOB_FOREIGN, entry, false);
	s->counts->blobs++;
	if (is_needed(s->c, &info->name))
		return 0;
	if (s->c->repair)
		(void)!garbage_collect(s->c->store->blobs, s->c->ledger, true, NULL, &removed);
	return tell(s, CHECK_BLOB_UNUSED, entry,
		    blob_stat(s->c->store->blobs, &info->name, &st) < 0);
}

static int check_files(struct state *s)
{
	const struct store *store = s->c->store;
	int r;

	s->task = task_begin(s->c->tasks, "check", "files", s->c->files);
	r = walk(store->fd, &store->tree, 0, check_file, s);
	task_end(s->task);
	return r;
}

static int check_blobs(struct state *s)
{
	struct blobs *blobs = s->c->store->blobs;
	int r;

	s->task = task_begin(s->c->tasks, "check", "contents", s->c->tasks ? blob_count(blobs) : 0);
	r = blob_each(blobs, check_blob, s);
	task_end(s->task);
	return r;
}

int check_run(const struct check *c, struct check_counts *ret)
{
	struct state s = { .c = c, .counts = ret };
	struct ledger_stats stats;
	int r = ledger_sync(c->ledger);

	*ret = (struct check_counts){ 0 };
	ledger_stats(c->ledger, &stats);
	if (r < 0)
		return r;
	if (!stats.agrees)
		return -EAGAIN;
	if (c->repair && !c->up->settle_stub)
		return -EOPNOTSUPP;
	r = check_files(&s);
	return r < 0 ? r : check_blobs(&s);
}
