/* SPDX-License-Identifier: MIT */
/*
 * Whether stubs, blobs and the ledger agree: looks at every file of the tree and every blob, while all goes on. What seems
 * wrong is looked at again, since it may only have been on its way.
 */
#ifndef SEAL_CHECK_H
#define SEAL_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/ledger.h"
#include "seal/upcalls.h"
#include "store/store.h"
#include "util/task.h"

enum check_kind {
	CHECK_MARK_DAMAGED, /* a mark that names no blob */
	CHECK_MARK_STALE,   /* a mark of a file that had another size */
	CHECK_NOT_PUNCHED,  /* a stub that has blocks of its own */
	CHECK_NO_BLOB,	    /* a stub without its blob, or with one of another size */
	CHECK_LEDGER,	   /* the ledger names another blob than the mark, or the other way round */
	CHECK_BLOB_UNUSED, /* a blob that no file is a stub of */
	CHECK_BLOB_FOREIGN, /* something among the blobs that is none */
	CHECK_KIND_MAX_,
};

const char *check_kind_name(enum check_kind kind);

struct check_problem {
	enum check_kind kind;
	const char *path; /* below the tree, or the name of a blob; valid during the call */
	bool repaired;
};

struct check_counts {
	uint64_t files; /* regular files looked at */
	uint64_t stubs;
	uint64_t blobs;
	uint64_t problems;
	uint64_t repaired;
};

struct check {
	const struct store *store; /* borrowed, like all the others */
	struct ledger *ledger;
	const struct seal_upcalls *up;
	bool repair;
	struct tasks *tasks; /* to tell how far it is; may be NULL */
	uint64_t files;	     /* about how many there are, for that */
	/* Called for each problem, after its repair; returns 0 to go on, other values end the check and are returned. */
	int (*each)(void *arg, const struct check_problem *p);
	void *arg;
};

/*
 * 0, also if there are problems; -EAGAIN: the walk after an unclean start has not ended; -EOPNOTSUPP: repair without a
 * front that can; -errno.
 */
int check_run(const struct check *c, struct check_counts *ret) WARN_UNUSED;

#endif
