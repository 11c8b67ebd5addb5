/* SPDX-License-Identifier: MIT */
/*
 * One function for each object of status.json. Numbers are read when they are asked for, nothing is kept here.
 */
#include "status.h"

#include <limits.h>
#include <unistd.h>

#include "control/json.h"
#include "exec/reaper.h"
#include "fuse/front.h"
#include "seal/seal.h"
#include "store/blob_away.h"
#include "store/room.h"
#include "store/trash.h"
#include "takeover/guardian.h"
#include "tuning.h"

static void add_seal_status(struct daemon *d, json_t *object)
{
	static const char *const names[] = {
		[SEAL_HUGEPAGES_AUTO] = "auto",
		[SEAL_HUGEPAGES_ALWAYS] = "always",
		[SEAL_HUGEPAGES_OFF] = "off",
	};
	struct seal_counts n;

	seal_count(d->seal, &n);
	(void)json_object_set_new(object, "seal",
				  json_pack("{s:s,s:I,s:I,s:I,s:I}", "hugepages",
					    names[d->config.hugepages], "collapsed",
					    (json_int_t)n.collapsed_bytes, "hashed_files",
					    (json_int_t)n.hash.files, "hashed_bytes",
					    (json_int_t)n.hash.bytes, "dropped",
					    (json_int_t)n.dropped));
}

static void add_room_status(struct daemon *d, const struct config *c, json_t *object)
{
	struct room_marks m;
	char high[32], low[32];
	struct reaper_counts n;

	m = config_marks(c);
	reaper_count(d->reaper, &n);
	(void)json_object_set_new(object, "room",
				  json_pack("{s:s,s:s,s:I,s:I,s:I}", "high",
					    room_format_mark(&m.high, high, sizeof(high)), "low",
					    room_format_mark(&m.low, low, sizeof(low)), "evicted",
					    (json_int_t)n.evicted_executions, "evicted_files",
					    (json_int_t)n.evicted_files, "evicted_bytes",
					    (json_int_t)n.evicted_bytes));
}

static void add_spill_status(struct daemon *d, json_t *object)
{
	struct blob_away_counts away;
	struct seal_counts n;

	if (d->spill.fd < 0) {
		(void)json_object_set_new(object, "spill", json_null());
		return;
	}
	seal_count(d->seal, &n);
	blob_count_away(d->store.blobs, &away);
	(void)json_object_set_new(object, "spill",
				  json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I}",
					    "directory", json_of_bytes(d->spill.path, PATH_MAX),
					    "filesystem", d->spill.filesystem, "contents",
					    (json_int_t)away.blobs, "bytes", (json_int_t)away.bytes,
					    "free", (json_int_t)away.free_bytes, "moved",
					    (json_int_t)n.spill.contents, "moved_bytes",
					    (json_int_t)n.spill.bytes, "refused",
					    (json_int_t)n.spill.refused, "short",
					    away.drafts_wanted, "begun", (json_int_t)away.drafts));
}

static json_t *of_limit(uint64_t limit)
{
	return limit ? json_integer((json_int_t)limit) : json_null();
}

static void add_limits(const struct config *c, json_t *object)
{
	(void)json_object_set_new(object, "limits",
				  json_pack("{s:o,s:o,s:s}", "bytes", of_limit(c->exec_bytes),
					    "files", of_limit(c->exec_files), "limit",
					    c->limit == LIMIT_STRICT ? "strict" : "open"));
}

void status_add(struct daemon *d, json_t *object)
{
	static const char *const states[] = {
		[LEDGER_CLEAN] = "clean",
		[LEDGER_UNCLEAN] = "unclean",
		[LEDGER_NEW] = "new",
		[LEDGER_REPLACED] = "replaced",
	};
	json_t *ledger = json_object_get(object, "ledger");
	struct config now;
	const struct config *c = &now;

	tuning_now(d, &now);
	(void)json_object_set_new(ledger, "state", json_string(states[d->ledger_state.state]));
	(void)json_object_set_new(ledger, "set_aside", json_string(d->ledger_state.set_aside));
	fs_status(d->fs, object);
	(void)json_object_set_new(object, "mountpoint", json_of_bytes(d->mountpoint, PATH_MAX));
	(void)json_object_set_new(object, "store",
				  json_of_bytes(d->store.memory ? "memory" : d->store.path,
						PATH_MAX));
	(void)json_object_set_new(object, "pid",
				  json_integer(d->guardian ? d->guardian : getpid()));
	(void)json_object_set_new(object, "worker", json_integer(getpid()));
	(void)json_object_set_new(object, "takeover", json_boolean(!d->alone_why[0]));
	(void)json_object_set_new(object, "takeover_why", json_string(d->alone_why));
	(void)json_object_set_new(object, "takeovers", json_integer(daemon_deaths(d)));
	(void)json_object_set_new(object, "hung", json_integer(guardian_hung(d->keep)));
	(void)json_object_set_new(object, "upgrades", json_integer(d->upgrades));
	(void)json_object_set_new(object, "filesystem", json_string(d->store.filesystem));
	(void)json_object_set_new(object, "hugepages",
				  json_string(d->store.huge ? "within_size" : ""));
	(void)json_object_set_new(object, "ttl",
				  c->ttl_ns == INT64_MAX ? json_null()
							 : json_real((double)c->ttl_ns / 1e9));
	(void)json_object_set_new(object, "autodir", json_boolean(c->autodir));
	(void)json_object_set_new(object, "threads", json_integer(daemon_threads(c)));
	(void)json_object_set_new(object, "trash",
				  json_integer((json_int_t)trash_pending(d->trash)));
	add_seal_status(d, object);
	add_room_status(d, c, object);
	add_spill_status(d, object);
	add_limits(c, object);
}
