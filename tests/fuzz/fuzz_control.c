/* SPDX-License-Identifier: MIT */
/*
 * What a client writes to the files of .baton and to user.baton attributes, and the names that he asks for there. The
 * first byte says who he is and what he does, a line what to, the rest is what he writes.
 */
#include "fuzz_target.h"

#include <check.h>

/* The fixture is the unit tests', whose assertions speak to a runner that is not there. */
#undef ck_assert_msg
#undef ck_assert_ptr_nonnull
#undef ck_assert_int_eq
#undef ck_assert_uint_eq
#undef ck_assert_str_eq
#define ck_assert_msg(condition, ...) FUZZ_HOLDS(condition)
#define ck_assert_ptr_nonnull(p) FUZZ_HOLDS(p)
#define ck_assert_int_eq(a, b) FUZZ_HOLDS((a) == (b))
#define ck_assert_uint_eq(a, b) FUZZ_HOLDS((a) == (b))
#define ck_assert_str_eq(a, b) FUZZ_HOLDS(strcmp(a, b) == 0)

#include "../unit/test_control_fixture.h"

static void end(void)
{
	fixture_teardown();
}

static void begin(void)
{
	static bool begun;

	if (!begun) {
		fixture_setup();
		(void)atexit(end);
		begun = true;
	}
	add_execution("4711", &alice);
}

static void write_file(const struct control_caller *who, const char *path, const uint8_t *data,
		       size_t size)
{
	struct control_reason why = { .text = "" };
	uint64_t node = 0;
	struct stat st;
	char *text = NULL;
	size_t len = 0;

	if (walk_to(path, &node, &st) < 0)
		return;
	if (control_write(fix.control, node, who, (const char *)data, size, &why) < 0 &&
	    why.text[0])
		fuzz_is_one_line(why.text);
	if (control_read(fix.control, node, who, &text, &len) == 0)
		FUZZ_HOLDS(memchr(text, '\0', len) == NULL);
	free(text);
}

static void set_attribute(const struct control_caller *who, const char *name, bool on_directory,
			  const uint8_t *data, size_t size)
{
	struct execution *e = exec_lookup(fix.execs, "4711");
	struct control_subject s = { .exec = e, .is_exec_dir = on_directory };
	char value[256];

	if (!e)
		return;
	(void)!control_xattr_set(fix.control, &s, who, name, (const char *)data, size);
	FUZZ_HOLDS(control_xattr_get(fix.control, 0, &s, name, value, sizeof(value)) <=
		   (int)sizeof(value));
	exec_unref(fix.execs, e);
}

void fuzz_control(const uint8_t *data, size_t size)
{
	static const struct control_caller *const callers[] = { &root, &alice, &bob };
	_cleanup_free_ char *what = NULL;
	const uint8_t *end_of_line;
	size_t rest;

	if (size < 1)
		return;
	end_of_line = memchr(data + 1, '\n', size - 1);
	if (!end_of_line)
		return;
	begin();
	what = fuzz_text(data + 1, (size_t)(end_of_line - data - 1));
	rest = size - (size_t)(end_of_line + 1 - data);
	if (data[0] & 4)
		set_attribute(callers[(data[0] & 3) % 3], what, data[0] & 8, end_of_line + 1, rest);
	else
		write_file(callers[(data[0] & 3) % 3], what, end_of_line + 1, rest);
}
