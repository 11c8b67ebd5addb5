/* SPDX-License-Identifier: MIT */
/*
 * Credit grows with each look that finds a request and shrinks faster with each that does not; without any, one in
 * TRY_EVERY requests is tried. So an idle mount costs nothing, and a client on the reader's own CPU next to nothing.
 */
#include "fuse/spin.h"

#include <poll.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/macro.h"

/*
 * How long to look. Source: an answer wakes a client on another CPU within 16 us, and it asks again 10 us later; 25,
 * 50 and 100 us are equally good.
 */
#define LOOK_NS (30 * INT64_C(1000))

/* A look in vain costs more than one that is not in vain saves. */
#define CREDIT_FOUND 1
#define CREDIT_MISSED 3
#define CREDIT_MAX 16

/* While it is of no use: one look in so many requests. */
#define TRY_EVERY 64

static bool look(int device_fd)
{
	struct pollfd p = { .fd = device_fd, .events = POLLIN };
	int64_t end = clock_mono_ns() + LOOK_NS;

	do {
		if (poll(&p, 1, 0) != 0)
			return true;
	} while (clock_mono_ns() < end);
	return false;
}

void spin_wait(struct spin *s, int device_fd)
{
	if (s->credit == 0 && ++s->served < TRY_EVERY)
		return;
	s->served = 0;
	if (look(device_fd))
		s->credit = MIN_OF(s->credit + CREDIT_FOUND, (unsigned int)CREDIT_MAX);
	else
		s->credit -= MIN_OF(s->credit, (unsigned int)CREDIT_MISSED);
}
