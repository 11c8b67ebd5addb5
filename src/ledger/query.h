/* SPDX-License-Identifier: MIT */
/*
 * The questions, on a reading connection of their own. A lock (LOCK_LEDGER_READ) makes it serve
 * one thread at a time. Rows are collected first and handed to the caller's function when the lock
 * is dropped and the read transaction is over: that function may take any lock and ask and report
 * anything.
 *
 * The functions are those of ledger.h, which is their manual.
 */
#ifndef LEDGER_QUERY_H
#define LEDGER_QUERY_H

#include <stdint.h>

#include "ledger/db.h"
#include "ledger/ledger.h"
#include "util/cleanup.h"
#include "util/macro.h"

struct query;

/*
 * Returns 0 or an error of db_open(), db_set_up() and db_prepare(). The schema must be current; `sound`: it is, so
 * statements are prepared when they are used.
 */
int query_new(const char *path, bool sound, struct query **ret) WARN_UNUSED;
void query_free(struct query *q);

int query_each_execution(struct query *q, int (*each)(void *arg, const struct ledger_execution *e),
			 void *arg) WARN_UNUSED;

struct query_expired {
	int64_t now_ns;
	int64_t default_ttl_ns;
	uint32_t max;
	/* One of them, if not 0: */
	uint64_t min_bytes; /* see ledger_each_filled_file() */
	uint64_t execution; /* see ledger_each_idle_file() */
};

int query_each_expired_file(struct query *q, const struct query_expired *which,
			    int (*each)(void *arg, const struct ledger_file *f), void *arg)
	WARN_UNUSED;
int query_next_file_expiry(struct query *q, int64_t default_ttl_ns, int64_t *ret_ns) WARN_UNUSED;
int query_each_release(struct query *q, const char *id, uint32_t max,
		       int (*each)(void *arg, const struct ledger_release *r), void *arg)
	WARN_UNUSED;
int query_usage(struct query *q, uint64_t number, uint64_t *ret_files, uint64_t *ret_bytes)
	WARN_UNUSED;

int query_seal(struct query *q, uint64_t ino, struct ledger_seal *ret) WARN_UNUSED;

int query_stub_twins(struct query *q, const char *base, uint32_t max, struct ledger_twin *ret)
	WARN_UNUSED;
int query_file_twins(struct query *q, const struct ledger_seal *seal, uint64_t except_ino,
		     uint32_t max, struct ledger_twin *ret) WARN_UNUSED;
int query_file_find(struct query *q, uint64_t ino, struct ledger_twin *ret) WARN_UNUSED;
int query_blob_refs(struct query *q, const char *blob, uint64_t *ret_refs) WARN_UNUSED;
int query_blob_stubs(struct query *q, const char *blob, uint64_t after_ino, uint32_t max,
		     struct ledger_twin *ret) WARN_UNUSED;
int query_blob_activity(struct query *q, const char *blob, int64_t *ret_ns) WARN_UNUSED;

struct query_filled_of {
	uint64_t execution;
	uint64_t after_ino;
	uint64_t min_bytes;
	uint32_t max;
};

int query_filled_files_of(struct query *q, const struct query_filled_of *which,
			  struct ledger_twin *ret) WARN_UNUSED;
int query_stub_usage(struct query *q, uint64_t number, struct ledger_stubs *ret) WARN_UNUSED;
int query_stub_usage_all(struct query *q, struct ledger_stubs *ret) WARN_UNUSED;

DEFINE_CLEANUP(struct query *, query_free)

#endif
