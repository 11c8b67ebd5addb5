/* SPDX-License-Identifier: MIT */
/*
 * What is said in the area.
 */
#include "takeover/handover.h"

#include <string.h>
#include <unistd.h>

#include "takeover/area.h"

void worker_area_say(const struct worker_area *area)
{
	uint64_t one = 1;

	(void)!write(area->said_fd, &one, sizeof(one));
}

void handover_ask(struct keep *keep, uint64_t unique)
{
	struct worker_area *area = worker_area(keep);

	atomic_fetch_add(&area->asked, 1);
	/* Afterwards: who is killed in between has it asked again, and no answer to what somebody else has asked. */
	atomic_store(&area->asker, unique);
	worker_area_say(area);
}

bool handover_was_asked_by(const struct keep *keep, uint64_t unique)
{
	return unique != 0 && atomic_load(&worker_area(keep)->asker) == unique;
}

enum handover_state handover_result(struct keep *keep, struct handover_reason *ret)
{
	struct worker_area *area = worker_area(keep);

	if (atomic_load(&area->answered) != atomic_load(&area->asked))
		return HANDOVER_UNDECIDED;
	if (atomic_load(&area->asked) == 0)
		return HANDOVER_NONE;
	if (!atomic_load(&area->refused))
		return HANDOVER_DONE;
	*ret = area->reason;
	return HANDOVER_REFUSED;
}

bool handover_must_leave(struct keep *keep)
{
	return atomic_load(&worker_area(keep)->leave);
}

void handover_left(struct keep *keep)
{
	atomic_store(&worker_area(keep)->left, true);
}

void handover_note_ledger(struct keep *keep, uint32_t left)
{
	atomic_store(&worker_area(keep)->ledger, left);
}

uint32_t handover_ledger(const struct keep *keep)
{
	return atomic_load(&worker_area(keep)->ledger);
}
