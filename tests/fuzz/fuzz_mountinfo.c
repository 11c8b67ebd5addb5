/* SPDX-License-Identifier: MIT */
/* /proc/self/mountinfo, in which others' mounts have names of their choice. */
#include "fuzz_target.h"

#include "../../tools/mountpoint.h"

void fuzz_mountinfo(const uint8_t *data, size_t size)
{
	struct mountpoint_list list = { 0 };
	_cleanup_free_ char *text = fuzz_text(data, size);
	FILE *f;

	if (size == 0)
		return;
	f = fmemopen(text, size, "r");
	FUZZ_HOLDS(f && mountpoint_parse(f, &list) == 0);
	for (size_t i = 0; i < list.n; i++)
		FUZZ_HOLDS(list.item[i].path[0] && list.item[i].device[0]);
	mountpoint_list_done(&list);
	(void)fclose(f);
}
