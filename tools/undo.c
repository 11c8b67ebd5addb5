/* SPDX-License-Identifier: MIT */
#include "undo.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "util/macro.h"

/* All that end a program by default and are sent by others, or for what others did. */
static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGXCPU, SIGXFSZ };

/* A handler has no argument. `arg` is set before `undo`. */
static void (*_Atomic pending_undo)(void *arg);
static void *_Atomic pending_arg;

static void end(int sig)
{
	void (*undo)(void *arg) = atomic_exchange(&pending_undo, NULL);

	if (undo)
		undo(atomic_load(&pending_arg));
	(void)raise(
		sig); /* its handler is gone (SA_RESETHAND): ends the program, when this one returns */
}

void undo_begin(void (*undo)(void *arg), void *arg)
{
	struct sigaction act = { .sa_handler = end, .sa_flags = (int)SA_RESETHAND };
	struct sigaction before;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&act.sa_mask, signals[i]);
	atomic_store(&pending_arg, arg);
	atomic_store(&pending_undo, undo);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		/* Who has it ignored, as nohup(1) has, is not ended by it. */
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &act, NULL);
	}
}

void undo_end(void)
{
	atomic_store(&pending_undo, NULL);
}
