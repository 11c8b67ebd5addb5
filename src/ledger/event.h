/* SPDX-License-Identifier: MIT */
/*
 * What travels through the queue: the kinds of event and their payloads. ledger.c writes them,
 * writer.c reads them; both ends are in one process, so payloads are plain structs.
 */
#ifndef LEDGER_EVENT_H
#define LEDGER_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "ledger/ledger.h"

enum event_kind {
	EVENT_EXEC_PUT,	     /* struct ledger_execution */
	EVENT_EXEC_ACTIVITY, /* struct event_value: number, activity */
	EVENT_EXEC_FORGET,   /* struct event_value: number */
	EVENT_RELEASE,	     /* struct ledger_release */
	EVENT_FILE_PUT,	     /* struct ledger_file, cut after the handle */
	EVENT_FILE_SIZE,     /* struct event_value: ino, size */
	EVENT_FILE_MOVE,     /* struct event_value: ino, execution */
	EVENT_FILE_ACTIVITY, /* struct event_value: ino, activity */
	EVENT_FILE_GONE,     /* struct event_value: ino */
	EVENT_FILE_SEALED,   /* struct event_seal */
	EVENT_SEALS_FORGET,
	EVENT_FILE_SHARED, /* struct event_shared */
	EVENT_RECONCILE_BEGIN,
	EVENT_RECONCILE_SEEN, /* struct ledger_file, cut after the handle */
	EVENT_RECONCILE_END,
	EVENT_MAX_,
};

struct event_value {
	uint64_t key;
	int64_t value;
};

struct event_seal {
	uint64_t ino;
	struct ledger_seal seal;
};

struct event_shared {
	uint64_t ino;
	char blob[LEDGER_BLOB_MAX + 1]; /* "": an ordinary file */
};

/* A file event carries only the used part of its handle, which is the last member. */
static inline size_t event_file_bytes(const struct ledger_file *f)
{
	return offsetof(struct ledger_file, handle) + f->handle_len;
}

#endif
