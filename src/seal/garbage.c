/* SPDX-License-Identifier: MIT */
/*
 * In two rounds: first all blobs are looked at, and those that seem to be garbage are written down. They are doomed,
 * and only then the ledger is asked for good, with all that was told to it before: who makes a stub in the meantime has
 * pinned the blob, which takes back the doom, and tells the ledger before the pin goes. A draft (store/draft.h) is
 * garbage if its file is gone, whatever the ledger says.
 */
#include "seal/garbage.h"

#include <errno.h>
#include <stdlib.h>

#include "store/draft.h"
#include "util/cleanup.h"
#include "util/fault.h"

struct suspect {
	struct blob_name name;
	uint64_t stored_bytes;
};

struct round {
	struct blobs *blobs;
	struct ledger *ledger;
	bool agrees;
	struct task *task; /* what goes on just now; may be NULL */
	struct garbage *result;
	struct suspect *suspects; /* owned */
	size_t count;
	size_t room;
};

static void round_done(struct round *c)
{
	free(c->suspects);
}

static int suspect(struct round *c, const struct blob_info *info)
{
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct suspect *grown = reallocarray(c->suspects, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->suspects = grown;
		c->room = room;
	}
	c->suspects[c->count++] = (struct suspect){ info->name, info->stored_bytes };
	return 0;
}

static int look(void *arg, const struct blob_info *info, const char *entry)
{
	struct round *c = arg;
	uint64_t refs;
	int r;

	(void)entry;
	task_add(c->task, 1);
	if (!info->name.text[0])
		return 0; /* not ours to remove */
	c->result->blobs++;
	c->result->bytes += info->stored_bytes;
	if (!c->agrees)
		return 0;
	r = ledger_blob_refs(c->ledger, info->name.text, &refs);
	if (r < 0)
		return r;
	if (draft_is(&info->name)) {
		if (draft_is_needed(c->blobs, &info->name)) {
			/* In the trash, or open without a name: it goes without a word. */
			c->result->pinned_blobs += refs == 0;
			return 0;
		}
	} else if (refs > 0) {
		return 0;
	}
	if (!blob_is_pinned(c->blobs, &info->name))
		return suspect(c, info);
	c->result->pinned_blobs++;
	return 0;
}

static int condemn(struct round *c, const struct suspect *s, bool remove)
{
	uint64_t refs;
	int r = ledger_blob_refs(c->ledger, s->name.text, &refs);

	if (r == 0 && draft_is(&s->name))
		refs = draft_is_needed(c->blobs, &s->name);
	if (r < 0 || refs > 0)
		return r;
	c->result->garbage_blobs++;
	c->result->garbage_bytes += s->stored_bytes;
	if (!remove)
		return 0;
	FAULT_POINT("garbage");
	r = blob_remove_doomed(c->blobs, &s->name);
	if (r == 0)
		c->result->removed_blobs++;
	return r == -EBUSY ? 0 : r; /* somebody wants it again */
}

static int judge(struct round *c, bool remove)
{
	struct ledger_stats stats;
	int r = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (blob_doom(c->blobs, &c->suspects[i].name) < 0) { /* not now */
			c->result->pinned_blobs++;
			c->suspects[i].name.text[0] = '\0';
		}
	}
	r = ledger_sync(c->ledger);
	ledger_stats(c->ledger, &stats);
	if (r == 0 && !stats.agrees) /* it has lost events since */
		r = -EAGAIN;
	if (r == 0 && remove)
		r = blobs_keep_order(c->blobs);
	for (size_t i = 0; i < c->count; i++) {
		const struct suspect *s = &c->suspects[i];

		task_add(c->task, 1);
		if (!s->name.text[0])
			continue;
		if (r == 0)
			r = condemn(c, s, remove);
		blob_spare(c->blobs, &s->name);
	}
	return r;
}

int garbage_collect(struct blobs *blobs, struct ledger *ledger, bool remove, struct tasks *tasks,
		    struct garbage *ret)
{
	_cleanup_(round_done) struct round c = { .blobs = blobs, .ledger = ledger, .result = ret };
	struct ledger_stats stats;
	int r;

	*ret = (struct garbage){ 0 };
	ledger_stats(ledger, &stats);
	c.agrees = stats.agrees;
	FAULT_WAIT("garbage-looks");
	c.task = task_begin(tasks, "contents", "contents", tasks ? blob_count(blobs) : 0);
	r = blob_each(blobs, look, &c);
	task_end(c.task);
	if (r == 0 && c.count > 0) {
		c.task = task_begin(tasks, "unused", "contents", c.count);
		r = judge(&c, remove);
		task_end(c.task);
	}
	return r == 0 && !c.agrees ? -EAGAIN : r;
}
