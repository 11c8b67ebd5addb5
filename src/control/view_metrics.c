/* SPDX-License-Identifier: MIT */
/*
 * The file `metrics`: executions and ledger here, the rest by an upcall. No family has a label whose values clients
 * choose: per execution there are executions.json and executions/ID.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "baton/interface.h"
#include "control/view.h"
#include "util/cleanup.h"
#include "util/prometheus.h"

static void put_executions(FILE *out, const struct view_sums *s)
{
	prom_one(out, "batonfs_executions", PROM_GAUGE, "Executions that have files or marks.",
		 s->executions);
	prom_one(out, "batonfs_pinned_executions", PROM_GAUGE, "Executions that do not expire.",
		 s->pinned);
	prom_one(out, "batonfs_execution_files", PROM_GAUGE, "Regular files of all executions.",
		 s->files);
	prom_one(out, "batonfs_execution_bytes", PROM_GAUGE,
		 "Sizes of the files of all executions, as of their last close.", s->bytes);
	prom_one(out, "batonfs_open_files", PROM_GAUGE, "Opens that are not closed.", s->open);
}

static void put_releases(FILE *out, const struct ledger_stats *s)
{
	static const char name[] = "batonfs_releases_total";
	static const char bytes[] = "batonfs_released_bytes_total";

	prom_head(out, name, PROM_COUNTER,
		  "Executions, and files with a lifetime of their own, that ended, by reason.");
	for (int i = 0; i < LEDGER_REASON_MAX_; i++)
		prom_uint(out, name, "reason", ledger_reason_name((enum ledger_reason)i),
			  s->released[i]);
	prom_head(out, bytes, PROM_COUNTER, "Sizes of the files that ended with them.");
	for (int i = 0; i < LEDGER_REASON_MAX_; i++)
		prom_uint(out, bytes, "reason", ledger_reason_name((enum ledger_reason)i),
			  s->released_bytes[i]);
}

static void put_ledger(FILE *out, const struct ledger_stats *s)
{
	prom_one(out, "batonfs_ledger_events_total", PROM_COUNTER, "Events queued for the ledger.",
		 s->events);
	prom_one(out, "batonfs_ledger_commits_total", PROM_COUNTER, "Transactions that wrote them.",
		 s->commits);
	prom_one(out, "batonfs_ledger_waits_total", PROM_COUNTER,
		 "Times somebody waited because the queue was full.", s->waits);
	prom_one(out, "batonfs_ledger_queue_bytes", PROM_GAUGE, "Events not yet written.",
		 s->queued_bytes);
	prom_one(out, "batonfs_ledger_failing", PROM_GAUGE,
		 "1: the last transaction failed and is being retried.", s->error != 0);
}

static void put_build(FILE *out)
{
	static const char name[] = "batonfs_build_info";

	prom_head(out, name, PROM_GAUGE, "The version of the daemon.");
	prom_info(out, name, (const char *const[]){ "version", BATON_VERSION, NULL });
}

int view_metrics(const struct view *v, const char *id, char **ret_text)
{
	_cleanup_free_ char *text = NULL;
	struct ledger_stats stats;
	struct view_sums sums;
	size_t len = 0;
	FILE *out;
	int r = view_sums(v, &sums);

	(void)id;
	if (r < 0)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	ledger_stats(v->ledger, &stats);
	put_build(out);
	put_executions(out, &sums);
	put_releases(out, &stats);
	put_ledger(out, &stats);
	if (v->up.metrics)
		v->up.metrics(v->up.ctx, out);
	if (fclose(out) != 0 || len == 0)
		return -ENOMEM;
	text[len - 1] = '\0'; /* the last newline: every file of .baton gets one */
	*ret_text = TAKE_PTR(text);
	return 0;
}
