/* SPDX-License-Identifier: MIT */
/*
 * Looks in a row.
 */
#include "takeover/watch.h"

enum watch_says watch_look(struct watch *w, const struct watch_counts *now)
{
	bool answered = now->answered != w->last.answered || now->others != w->last.others;

	w->last = *now;
	if (answered || now->asked == now->answered) {
		w->looks = 0;
		return answered ? WATCH_ANSWERED : WATCH_IDLE;
	}
	/* The first look may have come right after the question. */
	return ++w->looks > WATCH_LOOKS ? WATCH_SILENT : WATCH_WAITING;
}

void watch_forgive(struct watch *w)
{
	w->looks = 0;
}
