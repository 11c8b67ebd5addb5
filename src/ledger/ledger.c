/* SPDX-License-Identifier: MIT */
/*
 * The front of the ledger: opening and closing in the right order, and one short function per
 * event that copies it into the queue.
 *
 *   any thread --event--> queue --batch--> writer thread --commit--> file
 *   any thread --question--> reading connection <------------------- file
 */
#include "ledger/ledger.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ledger/db.h"
#include "ledger/event.h"
#include "ledger/opening.h"
#include "ledger/query.h"
#include "ledger/queue.h"
#include "ledger/writer.h"
#include "util/clock.h"
#include "util/log.h"

_Static_assert(sizeof(struct ledger_release) <= QUEUE_PAYLOAD_MAX, "largest event");

struct ledger {
	struct queue *queue;   /* owned */
	struct writer *writer; /* owned; uses queue */
	struct query *query;   /* owned; closed before the writer's connection, the last one */
	int lock_fd;	       /* owned; keeps other processes out until everything is closed */
	int64_t base_ns;       /* constant; see struct ledger_time */

	struct {
		_Atomic uint64_t n;
		_Atomic uint64_t bytes;
	} released[LEDGER_REASON_MAX_]; /* since the start */
};

/* ---- open and close ---- */

static int start(struct ledger *l, const struct opening *how, struct ledger_open_result *result)
{
	_cleanup_(db_closep) struct db *db = NULL;
	struct writer_start ws;
	int r;

	l->lock_fd = db_lock_file(how->path);
	if (l->lock_fd < 0)
		return l->lock_fd;
	r = opening_begin(how, &db, result);
	if (r < 0)
		return r;
	r = query_new(how->path, how->sound, &l->query);
	if (r < 0)
		return r;
	r = queue_new(QUEUE_BYTES, &l->queue);
	if (r < 0)
		return r;
	ws = (struct writer_start){
		.db = db,
		.queue = l->queue,
		.next_number = result->next_number,
		.agrees = result->state == LEDGER_CLEAN,
	};
	r = writer_new(&ws, &l->writer);
	if (r < 0)
		return r;
	(void)TAKE_PTR(db); /* the writer's now */
	return 0;
}

DEFINE_CLEANUP(struct ledger *, ledger_free)

static int open_as(const struct opening *how, struct ledger **ret,
		   struct ledger_open_result *ret_result)
{
	_cleanup_(ledger_freep) struct ledger *l = calloc(1, sizeof(*l));
	struct ledger_open_result result = { 0 };
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct ledger){ .lock_fd = -1, .base_ns = how->time.base_ns };
	r = start(l, how, &result);
	if (r < 0)
		return r;
	*ret_result = result;
	*ret = TAKE_PTR(l);
	return 0;
}

static struct ledger_time wall_time(void)
{
	return (struct ledger_time){ .base_ns = clock_ns(CLOCK_REALTIME) - clock_mono_ns(),
				     .goes_on = true };
}

int ledger_open(const char *path, const struct ledger_time *time, struct ledger **ret,
		struct ledger_open_result *ret_result)
{
	const struct opening how = { .path = path, .time = time ? *time : wall_time() };

	return open_as(&how, ret, ret_result);
}

int ledger_reopen(const char *path, const struct ledger_time *time, enum ledger_left left,
		  struct ledger **ret, struct ledger_open_result *ret_result)
{
	const struct opening how = {
		.path = path, .sound = true, .left = left, .time = time ? *time : wall_time()
	};

	return open_as(&how, ret, ret_result);
}

int64_t ledger_base_ns(const struct ledger *l)
{
	return l->base_ns;
}

int64_t ledger_now_ns(const struct ledger *l)
{
	return l->base_ns + clock_ns(CLOCK_MONOTONIC_COARSE);
}

static void free_rest(struct ledger *l)
{
	queue_free(l->queue);
	(void)safe_close(l->lock_fd);
	free(l);
}

void ledger_free(struct ledger *l)
{
	if (!l)
		return;
	query_free(l->query);
	writer_free(l->writer);
	free_rest(l);
}

enum ledger_left ledger_leave(struct ledger *l)
{
	bool in_order;

	query_free(l->query);
	in_order = writer_leave(l->writer);
	free_rest(l);
	return in_order ? LEDGER_LEFT_IN_ORDER : LEDGER_LEFT_IN_USE;
}

void ledger_doubt(struct ledger *l)
{
	queue_doubt(l->queue);
}

int ledger_sync(struct ledger *l)
{
	return queue_sync(l->queue);
}

void ledger_stats(struct ledger *l, struct ledger_stats *ret)
{
	struct queue_stats q;

	queue_stats(l->queue, &q);
	*ret = (struct ledger_stats){
		.events = q.events,
		.commits = q.batches,
		.waits = q.waits,
		.lost = q.lost,
		.queued_bytes = q.queued_bytes,
		.error = q.error,
	};
	writer_stats(l->writer, ret);
	for (int i = 0; i < LEDGER_REASON_MAX_; i++) {
		ret->released[i] = atomic_load(&l->released[i].n);
		ret->released_bytes[i] = atomic_load(&l->released[i].bytes);
	}
}

uint64_t ledger_log_bytes(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, "ledger.db-wal", &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0
									     : (uint64_t)st.st_size;
}

const char *ledger_reason_name(enum ledger_reason reason)
{
	static const char *const names[LEDGER_REASON_MAX_] = {
		[LEDGER_EXPIRED] = "expired", [LEDGER_RELEASED] = "released",
		[LEDGER_EMPTY] = "empty",     [LEDGER_EVICTED] = "evicted",
		[LEDGER_REMOVED] = "removed", [LEDGER_UNRECORDED] = "unrecorded",
	};

	if ((unsigned int)reason >= LEDGER_REASON_MAX_)
		return "unknown"; /* a row of another version */
	return names[reason];
}

/* ---- events ---- */

static void put_value(struct ledger *l, enum event_kind kind, uint64_t key, int64_t value)
{
	struct event_value e = { .key = key, .value = value };

	queue_put_minor(l->queue, kind, &e, sizeof(e));
}

static void put_file(struct ledger *l, enum event_kind kind, const struct ledger_file *f)
{
	assert(f->handle_len <= LEDGER_HANDLE_MAX);
	queue_put_minor(l->queue, kind, f, event_file_bytes(f));
}

void ledger_execution_put(struct ledger *l, const struct ledger_execution *e)
{
	queue_put(l->queue, EVENT_EXEC_PUT, e, sizeof(*e));
}

void ledger_execution_activity(struct ledger *l, uint64_t number, int64_t activity_ns)
{
	put_value(l, EVENT_EXEC_ACTIVITY, number, activity_ns);
}

void ledger_execution_forget(struct ledger *l, uint64_t number)
{
	put_value(l, EVENT_EXEC_FORGET, number, 0);
}

void ledger_release(struct ledger *l, const struct ledger_release *r)
{
	queue_put(l->queue, EVENT_RELEASE, r, sizeof(*r));
	atomic_fetch_add(&l->released[r->reason].n, 1);
	atomic_fetch_add(&l->released[r->reason].bytes, r->bytes);
}

void ledger_file_put(struct ledger *l, const struct ledger_file *f)
{
	put_file(l, EVENT_FILE_PUT, f);
}

void ledger_file_size(struct ledger *l, uint64_t ino, uint64_t size_bytes)
{
	put_value(l, EVENT_FILE_SIZE, ino, (int64_t)size_bytes);
}

void ledger_file_move(struct ledger *l, uint64_t ino, uint64_t execution)
{
	put_value(l, EVENT_FILE_MOVE, ino, (int64_t)execution);
}

void ledger_file_activity(struct ledger *l, uint64_t ino, int64_t activity_ns)
{
	put_value(l, EVENT_FILE_ACTIVITY, ino, activity_ns);
}

void ledger_file_gone(struct ledger *l, uint64_t ino)
{
	put_value(l, EVENT_FILE_GONE, ino, 0);
}

void ledger_file_sealed(struct ledger *l, uint64_t ino, const struct ledger_seal *seal)
{
	struct event_seal e = { .ino = ino, .seal = *seal };

	queue_put(l->queue, EVENT_FILE_SEALED, &e, sizeof(e));
}

void ledger_seals_forget(struct ledger *l)
{
	queue_put(l->queue, EVENT_SEALS_FORGET, NULL, 0);
}

void ledger_file_shared(struct ledger *l, uint64_t ino, const char *blob)
{
	struct event_shared e = { .ino = ino };

	assert(strlen(blob) <= LEDGER_BLOB_MAX);
	strcpy(e.blob, blob);
	queue_put(l->queue, EVENT_FILE_SHARED, &e, sizeof(e));
}

void ledger_reconcile_begin(struct ledger *l)
{
	queue_put(l->queue, EVENT_RECONCILE_BEGIN, NULL, 0);
}

void ledger_reconcile_seen(struct ledger *l, const struct ledger_file *f)
{
	put_file(l, EVENT_RECONCILE_SEEN, f);
}

void ledger_reconcile_end(struct ledger *l)
{
	queue_put(l->queue, EVENT_RECONCILE_END, NULL, 0);
}

/* ---- questions ---- */

int ledger_each_execution(struct ledger *l,
			  int (*each)(void *arg, const struct ledger_execution *e), void *arg)
{
	return query_each_execution(l->query, each, arg);
}

int ledger_each_expired_file(struct ledger *l, int64_t now_ns, int64_t default_ttl_ns, uint32_t max,
			     int (*each)(void *arg, const struct ledger_file *f), void *arg)
{
	struct query_expired which = {
		.now_ns = now_ns,
		.default_ttl_ns = default_ttl_ns,
		.max = max,
	};

	return query_each_expired_file(l->query, &which, each, arg);
}

int ledger_each_filled_file(struct ledger *l, uint64_t min_bytes, uint32_t max,
			    int (*each)(void *arg, const struct ledger_file *f), void *arg)
{
	struct query_expired which = {
		.now_ns = INT64_MAX,
		.min_bytes = min_bytes,
		.max = max,
	};

	return query_each_expired_file(l->query, &which, each, arg);
}

int ledger_each_idle_file(struct ledger *l, uint64_t number, uint32_t max,
			  int (*each)(void *arg, const struct ledger_file *f), void *arg)
{
	struct query_expired which = {
		.now_ns = INT64_MAX,
		.execution = number,
		.max = max,
	};

	return number ? query_each_expired_file(l->query, &which, each, arg) : 0;
}

int ledger_next_file_expiry(struct ledger *l, int64_t default_ttl_ns, int64_t *ret_ns)
{
	return query_next_file_expiry(l->query, default_ttl_ns, ret_ns);
}

int ledger_each_release(struct ledger *l, const char *id, uint32_t max,
			int (*each)(void *arg, const struct ledger_release *r), void *arg)
{
	return query_each_release(l->query, id, max, each, arg);
}

int ledger_usage(struct ledger *l, uint64_t number, uint64_t *ret_files, uint64_t *ret_bytes)
{
	return query_usage(l->query, number, ret_files, ret_bytes);
}

int ledger_seal(struct ledger *l, uint64_t ino, struct ledger_seal *ret)
{
	return query_seal(l->query, ino, ret);
}

int ledger_stub_twins(struct ledger *l, const char *base, uint32_t max, struct ledger_twin *ret)
{
	return query_stub_twins(l->query, base, max, ret);
}

int ledger_file_twins(struct ledger *l, const struct ledger_seal *seal, uint64_t except_ino,
		      uint32_t max, struct ledger_twin *ret)
{
	return query_file_twins(l->query, seal, except_ino, max, ret);
}

int ledger_file_find(struct ledger *l, uint64_t ino, struct ledger_twin *ret)
{
	return query_file_find(l->query, ino, ret);
}

int ledger_blob_refs(struct ledger *l, const char *blob, uint64_t *ret_refs)
{
	return query_blob_refs(l->query, blob, ret_refs);
}

int ledger_blob_stubs(struct ledger *l, const char *blob, uint64_t after_ino, uint32_t max,
		      struct ledger_twin *ret)
{
	return query_blob_stubs(l->query, blob, after_ino, max, ret);
}

int ledger_blob_activity(struct ledger *l, const char *blob, int64_t *ret_ns)
{
	return query_blob_activity(l->query, blob, ret_ns);
}

int ledger_filled_files_of(struct ledger *l, uint64_t number, uint64_t after_ino,
			   uint64_t min_bytes, uint32_t max, struct ledger_twin *ret)
{
	const struct query_filled_of which = {
		.execution = number,
		.after_ino = after_ino,
		.min_bytes = min_bytes,
		.max = max,
	};

	return query_filled_files_of(l->query, &which, ret);
}

int ledger_stub_usage(struct ledger *l, uint64_t number, struct ledger_stubs *ret)
{
	return query_stub_usage(l->query, number, ret);
}

int ledger_stub_usage_all(struct ledger *l, struct ledger_stubs *ret)
{
	return query_stub_usage_all(l->query, ret);
}
