/* SPDX-License-Identifier: MIT */
#include "ledger/opening.h"

#include <errno.h>

#include "ledger/event.h"
#include "ledger/queue.h"
#include "ledger/schema.h"
#include "util/clock.h"
#include "util/log.h"

/*
 * Execution numbers skipped after a crash, because their events may have been lost with the queue.
 * Source: more than the queue's capacity divided by the size of an execution's event.
 */
#define NUMBERS_SKIPPED 65536

_Static_assert(QUEUE_BYTES / sizeof(struct ledger_execution) < NUMBERS_SKIPPED, "see above");

/* How the ledger was left. */
struct found {
	bool is_new;
	bool clean;
	uint64_t next_number;
};

static int read_row(struct db *db, struct found *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, STMT_LEDGER_READ);
	int r = db_step(db, s);

	if (r < 0)
		return r;
	if (r == 0)
		return -EUCLEAN;
	ret->clean = sqlite3_column_int(s, 0) != 0;
	ret->next_number = stmt_column_u64(s, 1);
	return 0;
}

static int write_row(struct db *db, enum stmt_id id, uint64_t value)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, id);

	stmt_bind_u64(s, 1, value);
	return db_step(db, s);
}

/* Is it ours, of a known version, and undamaged, if that is not known? Returns the version; changes nothing. */
static int inspect(struct db *db, bool sound)
{
	int version = schema_inspect(db, schema_nsteps);
	int r;

	if (version <= 0 || sound)
		return version;
	r = db_quick_check(db);
	return r < 0 ? r : version;
}

/* What the schema should have is looked for by preparing what uses it. In a sound one its tables are, with all their columns. */
static int look_at_tables(struct db *db, bool sound)
{
	static const enum stmt_id uses[] = { STMT_LEDGER_READ, STMT_EXEC_PUT, STMT_RELEASE_ADD,
					     STMT_FILE_PUT };
	int r = 0;

	if (!sound)
		return db_prepare(db, DB_WRITER);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(uses); i++)
		r = db_stmt(db, uses[i]) ? 0 : db->failed;
	return r;
}

static int make_ready(struct db *db, int version, bool sound, struct found *ret)
{
	int r = db_use_wal(db);

	if (r < 0)
		return r;
	r = schema_migrate(db, schema_steps, schema_nsteps, version);
	if (r < 0)
		return r;
	r = db_set_up(db, DB_WRITER);
	if (r == 0)
		r = look_at_tables(db, sound);
	if (r < 0)
		return r == -EINVAL ? -EUCLEAN : r; /* not the tables its version should have */
	ret->is_new = version == 0;
	return read_row(db, ret);
}

/* -EUCLEAN: the file should be set aside; it is closed as it was found. */
static int open_sound(const char *path, bool sound, struct db **ret, struct found *ret_found)
{
	struct db *db;
	int r = db_open(path, DB_WRITER, &db);

	if (r < 0)
		return r;
	r = inspect(db, sound);
	if (r >= 0)
		r = make_ready(db, r, sound, ret_found);
	if (r < 0) {
		db_close_untouched(db);
		return r;
	}
	*ret = db;
	return 0;
}

/* Of a file that is there and sound. What the last process has told counts more than the file, which it had in use. */
static enum ledger_state state_of(const struct found *found, enum ledger_left left)
{
	bool clean = left == LEDGER_LEFT_UNKNOWN ? found->clean : left == LEDGER_LEFT_IN_ORDER;

	return clean ? LEDGER_CLEAN : LEDGER_UNCLEAN;
}

static int open_or_replace(const struct opening *how, struct db **ret,
			   struct ledger_open_result *result)
{
	const char *path = how->path;
	struct found found;
	int r = open_sound(path, how->sound, ret, &found);

	if (r == -EUCLEAN) {
		r = db_set_aside(path, clock_real_ns() / NS_PER_S, result->set_aside,
				 sizeof(result->set_aside));
		if (r < 0)
			return r;
		log_debug("ledger set aside name=%s", result->set_aside);
		r = open_sound(path, false, ret, &found);
	}
	if (r < 0)
		return r;
	if (result->set_aside[0] != '\0')
		result->state = LEDGER_REPLACED;
	else if (found.is_new)
		result->state = LEDGER_NEW;
	else
		result->state = state_of(&found, how->left);
	result->next_number = found.next_number;
	if (result->state == LEDGER_UNCLEAN)
		result->next_number += NUMBERS_SKIPPED;
	return 0;
}

/* The latest activity there is; 0: none. */
static int read_latest(struct db *db, int64_t *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, STMT_TIME_LATEST);
	int r = db_step(db, s);

	if (r < 0)
		return r;
	*ret = r > 0 ? sqlite3_column_int64(s, 0) : 0;
	return 0;
}

/* The time of the file ends, and goes on as the new one. */
static int begin_time(struct db *db, const struct ledger_time *time)
{
	static const enum stmt_id moves[] = { STMT_TIME_EXECUTIONS, STMT_TIME_DEFAULT_TTL,
					      STMT_TIME_OWN_TTL };
	int64_t latest;
	int r = read_latest(db, &latest);

	if (r < 0 || latest == 0)
		return r;
	latest = MAX_OF(latest, time->last_ns);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(moves); i++)
		r = write_row(db, moves[i], (uint64_t)(time->base_ns + clock_mono_ns() - latest));
	return r;
}

static int mark_in_use(struct db *db, const struct ledger_time *time, uint64_t next_number)
{
	int r = db_begin(db);

	if (r < 0)
		return r;
	r = write_row(db, STMT_LEDGER_CLEAN, 0);
	if (r == 0)
		r = write_row(db, STMT_LEDGER_NUMBER, next_number);
	if (r == 0 && !time->goes_on)
		r = begin_time(db, time);
	if (r == 0)
		r = db_commit(db);
	if (r < 0)
		db_rollback(db);
	return r;
}

/*
 * From now on the tree changes, and a mark that a power failure takes back would vouch for rows
 * that no longer agree with it: this one transaction reaches the disk before the ledger is used. Unless it is there from
 * before: who has opened it says so, and it was never marked clean since. The number comes to the disk no later than what has it.
 */
static int take_over(struct db *db, const struct opening *how,
		     const struct ledger_open_result *result)
{
	bool known = how->left != LEDGER_LEFT_UNKNOWN &&
		     (result->state == LEDGER_CLEAN || result->state == LEDGER_UNCLEAN);
	int r = known ? 0 : db_script(db, SCRIPT_SYNC_FULL);

	if (r < 0)
		return r;
	r = mark_in_use(db, &how->time, result->next_number);
	return r < 0 || known ? r : db_script(db, SCRIPT_SYNC_NORMAL);
}

int opening_begin(const struct opening *how, struct db **ret, struct ledger_open_result *result)
{
	_cleanup_(db_closep) struct db *db = NULL;
	int r = open_or_replace(how, &db, result);

	if (r == 0)
		r = take_over(db, how, result);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(db);
	return 0;
}
