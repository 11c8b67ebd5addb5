/* SPDX-License-Identifier: MIT */
/*
 * The tables of the ledger and how they came to be: one step per version, in PRAGMA user_version.
 * A step is never changed once released; a new version is a new step at the end.
 */
#ifndef LEDGER_SCHEMA_H
#define LEDGER_SCHEMA_H

#include <stddef.h>
#include <stdint.h>

#include "util/macro.h"

struct db;

/* In PRAGMA application_id: "BTNL". file(1) and schema_inspect() know a ledger by it. */
#define SCHEMA_APPLICATION_ID 0x42544e4c

/* Takes a database from one version to the next, and sets PRAGMA user_version to it. */
struct schema_step {
	const char *sql;
};

/* The steps of this program; step i leads to version i + 1. */
extern const struct schema_step schema_steps[];
extern const size_t schema_nsteps;

/*
 * Read what the database is, changing nothing. Returns its version, 0 for an empty one,
 * -EPROTONOSUPPORT if a newer program wrote it, -EUCLEAN if it is no ledger at all, or another
 * error.
 */
int schema_inspect(struct db *db, size_t nsteps) WARN_UNUSED;

/*
 * Apply the steps beyond `version` in one transaction. After an error the database is as it was.
 * -EINVAL: a step does not lead to the version it should.
 */
int schema_migrate(struct db *db, const struct schema_step *steps, size_t nsteps, int version)
	WARN_UNUSED;

#endif
