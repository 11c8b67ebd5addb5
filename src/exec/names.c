/* SPDX-License-Identifier: MIT */
/*
 * The names of an execution at the top of the tree: its directory and its flat files. The first name makes
 * it real, the last one gone makes it virtual again; directories that batonfs made come and go with what
 * is in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/exec_table.h"
#include "exec/execution.h"
#include "store/mark.h"
#include "util/cleanup.h"
#include "util/fault.h"

int exec_dir(struct execution *e, struct handle *ret)
{
	LOCK_SCOPE(&e->lock);
	if (!e->has_dir)
		return -ENOENT;
	*ret = e->dir;
	return 0;
}

bool exec_dir_is_auto(struct execution *e, uint64_t *ret_ino)
{
	LOCK_SCOPE(&e->lock);
	*ret_ino = e->dir_ino;
	return e->has_dir && e->dir_auto;
}

void exec_dir_had(struct execution *e, struct handle *ret, uint64_t *ret_ino)
{
	LOCK_SCOPE(&e->lock);
	*ret = e->dir;
	*ret_ino = e->dir_ino;
}

static void dir_add_locked(struct exec_table *t, struct execution *e, const struct handle *dir,
			   uint64_t ino, bool is_auto, const struct ledger_owner *by)
{
	e->has_dir = true;
	e->dir = *dir;
	e->dir_ino = ino;
	e->dir_auto = is_auto;
	exec_activate_locked(t, e, by);
}

int exec_dir_add(struct exec_table *t, struct execution *e, const struct handle *dir, uint64_t ino,
		 bool is_auto, const struct ledger_owner *by)
{
	LOCK_SCOPE(&e->lock);
	dir_add_locked(t, e, dir, ino, is_auto, by);
	return 0;
}

/* Make the directory on disk, marked as ours. What a crash leaves without the mark the next start finishes (restore.c). */
static int make_dir(struct exec_table *t, struct execution *e, struct handle *ret)
{
	bool made = mkdirat(t->store->tree_fd, e->id, t->config.dir_mode) == 0;
	_cleanup_close_ int fd = -1;
	int r;

	if (!made && errno != EEXIST)
		return -errno;
	fd = openat(t->store->tree_fd, e->id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	FAULT_HANG("dir-made");
	/* Whatever the umask; and before the mark, which says that it is finished. */
	r = fchmodat(t->store->tree_fd, e->id, t->config.dir_mode, 0) < 0 ? -errno : 0;
	FAULT_HANG("dir-moded");
	if (r == 0)
		r = mark_set(fd, MARK_AUTO, (int64_t)exec_auto_ino(e->id));
	if (r == 0)
		r = handle_at(fd, "", ret);
	if (r < 0 && made)
		(void)unlinkat(t->store->tree_fd, e->id, AT_REMOVEDIR);
	return r;
}

static int materialise_locked(struct exec_table *t, struct execution *e,
			      const struct ledger_owner *by, struct handle *ret_dir, bool *ret_made)
{
	struct handle dir;
	int r;

	if (atomic_load(&e->state) == EXEC_RELEASED)
		return -ESTALE; /* the ID may be another execution's by now */
	if (e->has_dir) {
		*ret_dir = e->dir;
		*ret_made = false;
		return 0;
	}
	r = make_dir(t, e, &dir);
	if (r < 0)
		return r;
	dir_add_locked(t, e, &dir, exec_auto_ino(e->id), true, by);
	*ret_dir = dir;
	*ret_made = true;
	return 0;
}

int exec_materialise(struct exec_table *t, struct execution *e, const struct ledger_owner *by,
		     struct handle *ret_dir, bool *ret_made)
{
	LOCK_SCOPE(&e->lock);
	return materialise_locked(t, e, by, ret_dir, ret_made);
}

int exec_flat_add(struct exec_table *t, struct execution *e, const char *name,
		  const struct ledger_owner *by)
{
	LOCK_SCOPE(&e->lock);
	if (!flats_has(&e->flats, name) && flats_add(&e->flats, name) < 0)
		return -ENOMEM;
	exec_activate_locked(t, e, by);
	return 0;
}

void exec_dir_drop(struct exec_table *t, struct execution *e, enum ledger_reason reason)
{
	LOCK_SCOPE(&e->lock);
	e->has_dir = false;
	exec_deactivate_locked(t, e, reason);
	if (e->pinned ||
	    e->ttl_ns != LEDGER_TTL_DEFAULT) { /* flat files are left, the marks are not */
		e->pinned = false;
		e->ttl_ns = LEDGER_TTL_DEFAULT;
		exec_save_locked(t, e);
	}
}

void exec_flat_drop(struct exec_table *t, struct execution *e, const char *name)
{
	LOCK_SCOPE(&e->lock);
	flats_drop(&e->flats, name);
	exec_deactivate_locked(t, e, LEDGER_REMOVED);
}

bool exec_has_name(struct execution *e, const char *name, const struct handle *dir,
		   uint64_t *ret_auto_ino)
{
	LOCK_SCOPE(&e->lock);
	*ret_auto_ino = 0;
	if (!dir)
		return flats_has(&e->flats, name);
	if (!e->has_dir || !handle_equal(&e->dir, dir))
		return false;
	if (e->dir_auto)
		*ret_auto_ino = e->dir_ino;
	return true;
}

bool exec_flat_name(struct execution *e, size_t i, char *buf, size_t len)
{
	const char *name;

	LOCK_SCOPE(&e->lock);
	name = flats_at(&e->flats, i);
	if (name)
		(void)memccpy(buf, name, '\0', len);
	return name != NULL;
}

/* Who is about to make something in the directory must not lose it: he notes that it is vacant if he fails. */
static bool remove_dir_locked(struct exec_table *t, struct execution *e)
{
	bool removed =
		exec_close_locked(e) && unlinkat(t->store->tree_fd, e->id, AT_REMOVEDIR) == 0;

	exec_decide_locked(e, EXEC_ACTIVE);
	return removed; /* not if it is not empty */
}

void exec_vacate(struct execution *e)
{
	if ((int64_t)atomic_load(&e->files) <= 0 && !atomic_load(&e->vacant))
		atomic_store(&e->vacant, true);
}

bool exec_vanish(struct exec_table *t, struct execution *e)
{
	LOCK_SCOPE(&e->lock);
	if (!e->has_dir || !e->dir_auto || e->pinned || e->ttl_ns != LEDGER_TTL_DEFAULT)
		return false;
	if (atomic_load(&e->state) != EXEC_ACTIVE || !remove_dir_locked(t, e))
		return false;
	e->has_dir = false;
	exec_deactivate_locked(t, e, LEDGER_EMPTY);
	return true;
}

/*
 * Set or clear a mark of the directory, making the directory if it must carry one. Sets the field only
 * when the mark is on disk.
 */
static int change_mark(struct exec_table *t, struct execution *e, enum mark mark, bool present,
		       int64_t value, bool *ret_made)
{
	_cleanup_close_ int fd = -1;
	struct handle dir;
	int r;

	*ret_made = false;
	if (atomic_load(&e->state) == EXEC_RELEASED)
		return -ESTALE;
	if (!present && !e->has_dir)
		return 0;
	r = materialise_locked(t, e, &e->owner, &dir, ret_made);
	if (r < 0)
		return r;
	fd = store_open_handle(t->store, &dir, O_PATH);
	if (fd < 0)
		return fd;
	if (*ret_made && fchownat(fd, "", e->owner.uid, e->owner.gid, AT_EMPTY_PATH) < 0)
		return -errno; /* whoever asked for the mark, the execution is its owner's */
	return present ? mark_set(fd, mark, value) : mark_clear(fd, mark);
}

int exec_set_ttl(struct exec_table *t, struct execution *e, int64_t ttl_ns, bool *ret_made)
{
	int r;

	if (e->lifetime != LIFETIME_TTL)
		return -EPERM;
	{
		LOCK_SCOPE(&e->lock);
		r = change_mark(t, e, MARK_TTL, ttl_ns != LEDGER_TTL_DEFAULT, ttl_ns, ret_made);
		if (r < 0)
			return r;
		e->ttl_ns = ttl_ns;
		e->retry_mono_ns = 0;
		exec_touch(e); /* counts from now */
		if (e->number)
			exec_save_locked(t, e);
	}
	return 0;
}

int exec_set_pinned(struct exec_table *t, struct execution *e, bool pinned, bool *ret_made)
{
	int r;

	if (e->lifetime != LIFETIME_TTL)
		return -EPERM;
	{
		LOCK_SCOPE(&e->lock);
		r = change_mark(t, e, MARK_PINNED, pinned, 1, ret_made);
		if (r < 0)
			return r;
		e->pinned = pinned;
		e->retry_mono_ns = 0;
		exec_touch(e); /* unpinned: its time begins now */
		if (e->number)
			exec_save_locked(t, e);
	}
	return 0;
}

int64_t exec_ttl(struct exec_table *t, struct execution *e)
{
	LOCK_SCOPE(&e->lock);
	return e->ttl_ns == LEDGER_TTL_DEFAULT ? exec_default_ttl(t) : e->ttl_ns;
}

int64_t exec_expires_real_ns(struct exec_table *t, struct execution *e)
{
	struct exec_info info;

	exec_info(t, e, &info);
	return info.expires_real_ns;
}
