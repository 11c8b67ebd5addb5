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

uint32_t handover_ask(struct keep *keep, uint64_t unique)
{
	struct worker_area *area = worker_area(keep);
	uint32_t number = atomic_fetch_add(&area->asked, 1) + 1;

	atomic_store(&area->asker_number, number);
	/* Afterwards: who is killed in between has it asked again, and no answer to what somebody else has asked. */
	atomic_store(&area->asker, unique);
	worker_area_say(area);
	return number;
}

uint32_t handover_asked(const struct keep *keep, uint64_t unique)
{
	const struct worker_area *area = worker_area(keep);

	return unique && atomic_load(&area->asker) == unique ? atomic_load(&area->asker_number) : 0;
}

enum handover_state handover_result(struct keep *keep, uint32_t number, struct handover_reason *ret)
{
	struct worker_area *area = worker_area(keep);

	if (number > atomic_load(&area->answered))
		return HANDOVER_UNDECIDED;
	if (number <= atomic_load(&area->done))
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
