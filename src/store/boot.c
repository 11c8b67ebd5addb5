/* SPDX-License-Identifier: MIT */
/*
 * The first 48 bits of the kernel's boot id, in a mark. Lost with the power or written, it never says this boot in
 * another one.
 */
#include "store/boot.h"

#include <stdint.h>
#include <stdio.h>

#include "store/mark.h"
#include "util/cleanup.h"

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
