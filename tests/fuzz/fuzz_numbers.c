/* SPDX-License-Identifier: MIT */
/* Numbers with units: what is refused writes nothing; what is accepted can be shown, and fits. */
#include "fuzz_target.h"

#include <errno.h>

#include "util/cleanup.h"
#include "util/parse.h"

#define UNTOUCHED 4711

static void check_result(int r, bool touched)
{
	FUZZ_HOLDS(r == 0 || r == -EINVAL || r == -ERANGE);
	FUZZ_HOLDS(r == 0 || !touched);
}

void fuzz_numbers(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	uint64_t u = UNTOUCHED;
	uint32_t mode = UNTOUCHED;
	int64_t ns = UNTOUCHED;
	bool yes = true;
	char buf[16];
	int r;

	r = parse_u64(text, &u);
	check_result(r, u != UNTOUCHED);
	u = UNTOUCHED;
	r = parse_size(text, &u);
	check_result(r, u != UNTOUCHED);
	if (r == 0)
		fuzz_is_one_line(format_size(u, buf, sizeof(buf)));
	u = UNTOUCHED;
	r = parse_share(text, UINT64_MAX, &u);
	check_result(r, u != UNTOUCHED);
	r = parse_mode(text, &mode);
	check_result(r, mode != UNTOUCHED);
	FUZZ_HOLDS(r < 0 || mode <= 07777);
	r = parse_duration(text, &ns);
	check_result(r, ns != UNTOUCHED);
	FUZZ_HOLDS(r < 0 || ns >= 0);
	if (r == 0)
		fuzz_is_one_line(format_duration(ns, buf, sizeof(buf)));
	(void)!parse_bool(text, &yes);
}
