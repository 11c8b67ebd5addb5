/* SPDX-License-Identifier: MIT */
/*
 * Questions to the ledger. Each takes the lock, steps its statements into an array, drops the
 * lock, and then calls the caller's function for each element.
 */
#include "ledger/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/lock.h"

struct query {
	struct lock lock; /* rank LOCK_LEDGER_READ */
	struct db *db;	  /* lock; owned */
};

/* A growing array of one kind of row; data is owned. */
struct rows {
	void *data;
	size_t size; /* of one element */
	size_t count;
	size_t room;
};

static void rows_donep(struct rows *rows)
{
	free(rows->data);
}

/* Returns a new element with undefined content, or NULL without memory. */
static void *rows_add(struct rows *rows)
{
	if (rows->count == rows->room) {
		size_t room = rows->room ? 2 * rows->room : 16;
		void *data = reallocarray(rows->data, room, rows->size);

		if (!data)
			return NULL;
		rows->data = data;
		rows->room = room;
	}
	return (char *)rows->data + rows->size * rows->count++;
}

static void column_owner(sqlite3_stmt *s, int first, struct ledger_owner *o)
{
	o->uid = (uint32_t)sqlite3_column_int64(s, first);
	o->gid = (uint32_t)sqlite3_column_int64(s, first + 1);
	o->pid = sqlite3_column_int(s, first + 2);
	stmt_column_str(s, first + 3, o->comm, sizeof(o->comm));
}

int query_new(const char *path, bool sound, struct query **ret)
{
	_cleanup_(query_freep) struct query *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	lock_init(&q->lock, LOCK_LEDGER_READ);
	r = db_open(path, DB_READER, &q->db);
	if (r < 0)
		return r;
	r = db_set_up(q->db, DB_READER);
	if (r == 0 && !sound)
		r = db_prepare(q->db, DB_READER);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(q);
	return 0;
}

void query_free(struct query *q)
{
	if (!q)
		return;
	db_close(q->db);
	lock_done(&q->lock);
	free(q);
}

/* ---- executions ---- */

static void read_execution(sqlite3_stmt *s, struct ledger_execution *e)
{
	*e = (struct ledger_execution){
		.number = stmt_column_u64(s, 0),
		.created_real_ns = sqlite3_column_int64(s, 6),
		.activity_ns = sqlite3_column_int64(s, 7),
		.ttl_ns = sqlite3_column_int64(s, 8),
		.pinned = sqlite3_column_int(s, 9) != 0,
	};
	stmt_column_str(s, 1, e->id, sizeof(e->id));
	column_owner(s, 2, &e->owner);
}

static int collect_executions(struct query *q, struct rows *rows)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_EXEC_EACH);
	int r;

	while ((r = db_step(q->db, s)) > 0) {
		struct ledger_execution *e = rows_add(rows);

		if (!e)
			return -ENOMEM;
		read_execution(s, e);
	}
	return r;
}

int query_each_execution(struct query *q, int (*each)(void *arg, const struct ledger_execution *e),
			 void *arg)
{
	_cleanup_(rows_donep) struct rows rows = { .size = sizeof(struct ledger_execution) };
	const struct ledger_execution *e;
	int r = collect_executions(q, &rows);

	e = rows.data;
	for (size_t i = 0; r == 0 && i < rows.count; i++)
		r = each(arg, &e[i]);
	return r;
}

/* ---- files with a lifetime of their own ---- */

/* a + b where the sum may be out of range. */
static int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static void read_file(sqlite3_stmt *s, struct ledger_file *f)
{
	const void *handle = sqlite3_column_blob(s, 7);
	int len = sqlite3_column_bytes(s, 7);

	*f = (struct ledger_file){
		.ino = stmt_column_u64(s, 0),
		.execution = stmt_column_u64(s, 1),
		.size_bytes = stmt_column_u64(s, 2),
		.ttl_ns = sqlite3_column_int64(s, 3),
		.own_lifetime = sqlite3_column_int(s, 4) != 0,
		.activity_ns = sqlite3_column_int64(s, 5),
		.handle_type = sqlite3_column_int(s, 6),
		.handle_len = (uint8_t)MIN_OF(len, LEDGER_HANDLE_MAX),
	};
	if (f->handle_len > 0)
		memcpy(f->handle, handle, f->handle_len);
}

/*
 * One of two sources of expired files, each in the order of its index: column 8 is what it is
 * ordered by, and `shift_ns` makes it the time of expiry.
 */
struct expiry_source {
	sqlite3_stmt *stmt; /* borrowed */
	int64_t shift_ns;
	int state; /* what db_step() returned: 1 with a row */
};

static int64_t source_expiry(const struct expiry_source *src)
{
	return add_saturated(sqlite3_column_int64(src->stmt, 8), src->shift_ns);
}

/* The source whose row is overdue longest, NULL if both are at their end. */
static struct expiry_source *pick(struct expiry_source *a, struct expiry_source *b)
{
	if (a->state == 0 || b->state == 0)
		return a->state > 0 ? a : b->state > 0 ? b : NULL;
	return source_expiry(a) <= source_expiry(b) ? a : b;
}

static int merge_expired(struct db *db, struct expiry_source *a, struct expiry_source *b,
			 uint32_t max, struct rows *rows)
{
	struct expiry_source *src;

	a->state = db_step(db, a->stmt);
	b->state = db_step(db, b->stmt);
	while (a->state >= 0 && b->state >= 0 && rows->count < max && (src = pick(a, b))) {
		struct ledger_file *f = rows_add(rows);

		if (!f)
			return -ENOMEM;
		read_file(src->stmt, f);
		src->state = db_step(db, src->stmt);
	}
	if (a->state < 0)
		return a->state;
	return b->state < 0 ? b->state : 0;
}

static int collect_expired(struct query *q, const struct query_expired *which, struct rows *rows)
{
	LOCK_SCOPE(&q->lock);
	uint64_t more = which->min_bytes ? which->min_bytes : which->execution;
	_cleanup_stmt_ sqlite3_stmt *own =
		db_stmt(q->db, which->min_bytes	  ? STMT_FILLED_OWN_TTL
			       : which->execution ? STMT_IDLE_OWN_TTL
						  : STMT_EXPIRED_OWN_TTL);
	_cleanup_stmt_ sqlite3_stmt *def =
		db_stmt(q->db, which->min_bytes	  ? STMT_FILLED_DEFAULT_TTL
			       : which->execution ? STMT_IDLE_DEFAULT_TTL
						  : STMT_EXPIRED_DEFAULT_TTL);
	struct expiry_source a = { .stmt = own };
	struct expiry_source b = { .stmt = def, .shift_ns = which->default_ttl_ns };
	bool never = which->default_ttl_ns == LEDGER_TTL_NEVER;

	stmt_bind_i64(own, 1, which->now_ns);
	stmt_bind_i64(own, 2, which->max);
	stmt_bind_i64(def, 1, add_saturated(which->now_ns, -which->default_ttl_ns));
	stmt_bind_i64(def, 2, never ? 0 : which->max);
	if (more) {
		stmt_bind_u64(own, 3, more);
		stmt_bind_u64(def, 3, more);
	}
	return merge_expired(q->db, &a, &b, which->max, rows);
}

int query_each_expired_file(struct query *q, const struct query_expired *which,
			    int (*each)(void *arg, const struct ledger_file *f), void *arg)
{
	_cleanup_(rows_donep) struct rows rows = { .size = sizeof(struct ledger_file) };
	const struct ledger_file *f;
	int r = collect_expired(q, which, &rows);

	f = rows.data;
	for (size_t i = 0; r == 0 && i < rows.count; i++)
		r = each(arg, &f[i]);
	return r;
}

/* The first column of the first row, INT64_MAX without one. */
static int first_time(struct db *db, enum stmt_id id, int64_t *ret)
{
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(db, id);
	int r = db_step(db, s);

	if (r < 0)
		return r;
	*ret = r > 0 ? sqlite3_column_int64(s, 0) : INT64_MAX;
	return 0;
}

int query_next_file_expiry(struct query *q, int64_t default_ttl_ns, int64_t *ret_ns)
{
	int64_t own, def;
	int r;

	LOCK_SCOPE(&q->lock);
	r = first_time(q->db, STMT_NEXT_OWN_TTL, &own);
	if (r < 0)
		return r;
	r = first_time(q->db, STMT_NEXT_DEFAULT_TTL, &def);
	if (r < 0)
		return r;
	if (default_ttl_ns == LEDGER_TTL_NEVER)
		def = INT64_MAX;
	else if (def != INT64_MAX)
		def = add_saturated(def, default_ttl_ns);
	*ret_ns = MIN_OF(own, def);
	return 0;
}

/* ---- releases ---- */

static void read_release(sqlite3_stmt *s, struct ledger_release *e)
{
	*e = (struct ledger_release){
		.number = stmt_column_u64(s, 0),
		.reason = (enum ledger_reason)sqlite3_column_int(s, 3),
		.created_real_ns = sqlite3_column_int64(s, 12),
		.activity_real_ns = sqlite3_column_int64(s, 13),
		.released_real_ns = sqlite3_column_int64(s, 14),
		.ttl_ns = sqlite3_column_int64(s, 15),
		.bytes = stmt_column_u64(s, 16),
		.files = stmt_column_u64(s, 17),
	};
	stmt_column_str(s, 1, e->id, sizeof(e->id));
	stmt_column_str(s, 2, e->path, sizeof(e->path));
	column_owner(s, 4, &e->by);
	column_owner(s, 8, &e->owner);
}

static int collect_releases(struct query *q, const char *id, uint32_t max, struct rows *rows)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_RELEASE_EACH);
	int r;

	stmt_bind_text(s, 1, id, strlen(id));
	stmt_bind_i64(s, 2, max);
	while ((r = db_step(q->db, s)) > 0) {
		struct ledger_release *e = rows_add(rows);

		if (!e)
			return -ENOMEM;
		read_release(s, e);
	}
	return r;
}

int query_each_release(struct query *q, const char *id, uint32_t max,
		       int (*each)(void *arg, const struct ledger_release *r), void *arg)
{
	_cleanup_(rows_donep) struct rows rows = { .size = sizeof(struct ledger_release) };
	const struct ledger_release *e;
	int r = collect_releases(q, id, max, &rows);

	e = rows.data;
	for (size_t i = 0; r == 0 && i < rows.count; i++)
		r = each(arg, &e[i]);
	return r;
}

/* ---- contents ---- */

int query_seal(struct query *q, uint64_t ino, struct ledger_seal *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_SEAL);
	const void *hash;
	int r;

	stmt_bind_u64(s, 1, ino);
	r = db_step(q->db, s);
	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	hash = sqlite3_column_blob(s, 0);
	if (sqlite3_column_bytes(s, 0) != LEDGER_XXH3_SIZE)
		return -ENODATA; /* a row of another version */
	memcpy(ret->xxh3, hash, LEDGER_XXH3_SIZE);
	ret->size_bytes = stmt_column_u64(s, 1);
	ret->mtime_ns = sqlite3_column_int64(s, 2);
	ret->ctime_ns = sqlite3_column_int64(s, 3);
	return 0;
}

/* Step a statement to its end, or to `max` rows. */
static int read_twins(struct db *db, sqlite3_stmt *s, uint32_t max, struct ledger_twin *ret)
{
	uint32_t n = 0;
	int r = 1;

	while (n < max && (r = db_step(db, s)) > 0) {
		struct ledger_twin *t = &ret[n++];
		const void *handle = sqlite3_column_blob(s, 3);
		int len = sqlite3_column_bytes(s, 3);

		*t = (struct ledger_twin){
			.ino = stmt_column_u64(s, 0),
			.execution = stmt_column_u64(s, 1),
			.handle_type = sqlite3_column_int(s, 2),
			.handle_len = (uint8_t)MIN_OF(len, LEDGER_HANDLE_MAX),
		};
		if (t->handle_len > 0)
			memcpy(t->handle, handle, t->handle_len);
		stmt_column_str(s, 4, t->blob, sizeof(t->blob));
	}
	return r < 0 ? r : (int)n;
}

int query_stub_twins(struct query *q, const char *base, uint32_t max, struct ledger_twin *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_STUB_TWINS);

	stmt_bind_text(s, 1, base, strlen(base));
	stmt_bind_i64(s, 2, max);
	return read_twins(q->db, s, max, ret);
}

int query_file_twins(struct query *q, const struct ledger_seal *seal, uint64_t except_ino,
		     uint32_t max, struct ledger_twin *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_FILE_TWINS);

	stmt_bind_blob(s, 1, seal->xxh3, sizeof(seal->xxh3));
	stmt_bind_u64(s, 2, seal->size_bytes);
	stmt_bind_u64(s, 3, except_ino);
	stmt_bind_i64(s, 4, max);
	return read_twins(q->db, s, max, ret);
}

int query_file_find(struct query *q, uint64_t ino, struct ledger_twin *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_FILE_FIND);
	int r;

	stmt_bind_u64(s, 1, ino);
	r = read_twins(q->db, s, 1, ret);
	if (r < 0)
		return r;
	return r == 0 ? -ENODATA : 0;
}

/* The one number that a statement has to say of a blob; NULL is 0. */
static int ask_of_blob(struct query *q, enum stmt_id id, const char *blob, int64_t *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, id);
	int r;

	stmt_bind_text(s, 1, blob, strlen(blob));
	r = db_step(q->db, s);
	if (r < 0)
		return r;
	*ret = sqlite3_column_int64(s, 0);
	return 0;
}

int query_blob_refs(struct query *q, const char *blob, uint64_t *ret_refs)
{
	int64_t refs;
	int r = ask_of_blob(q, STMT_BLOB_REFS, blob, &refs);

	if (r == 0)
		*ret_refs = (uint64_t)refs;
	return r;
}

int query_blob_stubs(struct query *q, const char *blob, uint64_t after_ino, uint32_t max,
		     struct ledger_twin *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_BLOB_STUBS);

	stmt_bind_text(s, 1, blob, strlen(blob));
	stmt_bind_u64(s, 2, after_ino);
	stmt_bind_i64(s, 3, max);
	return read_twins(q->db, s, max, ret);
}

int query_blob_activity(struct query *q, const char *blob, int64_t *ret_ns)
{
	return ask_of_blob(q, STMT_BLOB_ACTIVITY, blob, ret_ns);
}

int query_filled_files_of(struct query *q, const struct query_filled_of *which,
			  struct ledger_twin *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_FILLED_OF);

	stmt_bind_u64(s, 1, which->execution);
	stmt_bind_u64(s, 2, which->after_ino);
	stmt_bind_u64(s, 3, which->min_bytes);
	stmt_bind_i64(s, 4, which->max);
	return read_twins(q->db, s, which->max, ret);
}

/* ---- sums ---- */

/* high * 2^20 + low, at most INT64_MAX: see STMT_USAGE. */
static uint64_t join_sums(int64_t high, int64_t low)
{
	int64_t bytes;

	if (__builtin_mul_overflow(high, INT64_C(1) << 20, &bytes) ||
	    __builtin_add_overflow(bytes, low, &bytes))
		return INT64_MAX;
	return (uint64_t)bytes;
}

int query_usage(struct query *q, uint64_t number, uint64_t *ret_files, uint64_t *ret_bytes)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_USAGE);
	int r;

	stmt_bind_u64(s, 1, number);
	r = db_step(q->db, s);
	if (r < 0)
		return r;
	assert(r == 1); /* an aggregate has a row */
	*ret_files = stmt_column_u64(s, 0);
	*ret_bytes = join_sums(sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2));
	return 0;
}

int query_stub_usage(struct query *q, uint64_t number, struct ledger_stubs *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_USAGE_STUBS);
	int r;

	stmt_bind_u64(s, 1, number);
	r = db_step(q->db, s);
	if (r < 0)
		return r;
	ret->files = stmt_column_u64(s, 0);
	ret->bytes = join_sums(sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2));
	ret->share_bytes = stmt_column_u64(s, 3);
	return 0;
}

int query_stub_usage_all(struct query *q, struct ledger_stubs *ret)
{
	LOCK_SCOPE(&q->lock);
	_cleanup_stmt_ sqlite3_stmt *s = db_stmt(q->db, STMT_USAGE_ALL);
	int r = db_step(q->db, s);

	if (r < 0)
		return r;
	*ret = (struct ledger_stubs){
		.files = stmt_column_u64(s, 0),
		.bytes = join_sums(sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2)),
	};
	return 0;
}
