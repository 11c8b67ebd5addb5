/* SPDX-License-Identifier: MIT */
/*
 * The first 48 bits of the kernel's boot id, in a mark. Lost with the power or written, it never says this boot in
 * another one. Beside it the time that lifetimes are counted in: where it began in this boot, and a late moment of it.
 */
#include "store/boot.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "store/mark.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macro.h"

/* 0: unknown. */
static int64_t this_boot(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	unsigned int high;
	unsigned int low;

	if (!f || fscanf(f, "%8x-%4x", &high, &low) != 2)
		return 0;
	return (int64_t)high << 16 | low;
}

bool boot_is_same(int fd)
{
	int64_t now = this_boot();
	int64_t last = 0;

	if (now == 0)
		return false;
	if (mark_get(fd, MARK_BOOT, &last) == 0 && last == now)
		return true;
	(void)!mark_set(fd, MARK_BOOT, now); /* without it files are hashed again */
	return false;
}

/*
 * What another boot says of the ledger is no moment of this one. The late moment counts once: it goes, for good, before
 * anything is counted anew, for what is written in this boot may be of another age altogether (a clock that was years ahead
 * then).
 */
static int64_t take_last(int fd)
{
	int64_t last;

	boot_note_told(fd);
	if (mark_get(fd, MARK_TIME, &last) < 0 || mark_clear(fd, MARK_TIME) < 0)
		return 0;
	return last;
}

void boot_time(int fd, struct boot_time *ret)
{
	int64_t now = this_boot();
	int64_t last;

	*ret = (struct boot_time){ 0 };
	if (now != 0 && mark_get(fd, MARK_BOOT, &last) == 0 && last == now &&
	    mark_get(fd, MARK_EPOCH, &ret->base_ns) == 0) {
		ret->goes_on = mark_get(fd, MARK_UNTOLD, &ret->last_ns) < 0;
		ret->last_ns = MIN_OF(ret->last_ns, ret->base_ns + clock_mono_ns());
		return;
	}
	ret->last_ns = take_last(fd);
	ret->base_ns = MAX_OF(clock_ns(CLOCK_REALTIME) - clock_mono_ns(), INT64_C(0));
	if (mark_set(fd, MARK_EPOCH, ret->base_ns) < 0)
		(void)!mark_clear(fd, MARK_EPOCH); /* the next one begins anew, too */
}

void boot_note_time(int fd, int64_t now_ns)
{
	(void)!mark_set(fd, MARK_TIME, now_ns); /* without it what was used last counts */
}

void boot_note_untold(int fd, int64_t since_ns)
{
	(void)!mark_set(fd, MARK_UNTOLD, since_ns); /* without it, as if nothing was used */
}

void boot_note_told(int fd)
{
	int64_t since;

	if (mark_get(fd, MARK_UNTOLD, &since) != -ENODATA)
		(void)!mark_clear(fd, MARK_UNTOLD); /* with it, lifetimes are longer */
}
