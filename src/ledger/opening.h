/* SPDX-License-Identifier: MIT */
/*
 * How the ledger's file is opened: what it is found to be, what is done with one that is damaged, and that it is in use
 * from now on.
 */
#ifndef LEDGER_OPENING_H
#define LEDGER_OPENING_H

#include <stdbool.h>

#include "ledger/db.h"
#include "ledger/ledger.h"

struct opening {
	const char *path; /* borrowed */
	bool sound; /* no damage is to be expected: statements are prepared when they are used */
	enum ledger_left left;
	struct ledger_time time;
};

/* The writer's connection. The caller has the file's lock (db_lock_file()). 0 or -errno as ledger_open() says. */
int opening_begin(const struct opening *how, struct db **ret, struct ledger_open_result *result)
	WARN_UNUSED;

#endif
