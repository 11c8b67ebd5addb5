/* SPDX-License-Identifier: MIT */
/*
 * What the layers count, as the metrics of .baton/metrics: what is below the front, and the process. docs/metrics.md
 * describes each of them. For daemon.c.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdio.h>

#include "exec/reaper.h"
#include "ledger/ledger.h"
#include "seal/seal.h"
#include "store/store.h"
#include "store/trash.h"

/* All borrowed. */
struct metrics_sources {
	const struct store *store;
	struct trash *trash;
	struct seal *seal;
	struct reaper *reaper;
	int64_t ttl_ns; /* INT64_MAX: never */
	uint64_t takeovers;
	uint64_t hung; /* of these, killed by the watchdog */
	uint64_t takeover_ns;
};

void metrics_write(const struct metrics_sources *s, FILE *out);

#endif
