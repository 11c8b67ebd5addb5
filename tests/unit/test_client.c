/* SPDX-License-Identifier: MIT */
/*
 * The client's way to the control files, on a directory that imitates .baton. The client is no library:
 * its sources are included.
 */
#include "../../tools/client.c"
#include "../../tools/mountpoint.c"
#include "../../tools/progress.c"
#include "../../tools/say.c"

#include <check.h>
#include <ftw.h>
#include <sys/stat.h>

#include "unit.h"

static char dir[] = "/tmp/test_client.XXXXXX";

static void put(const char *file, const char *text)
{
	_cleanup_free_ char *path = NULL;
	FILE *f;

	ck_assert_int_gt(asprintf(&path, "%s/%s", dir, file), 0);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void make_dir(const char *name)
{
	_cleanup_free_ char *path = NULL;

	ck_assert_int_gt(asprintf(&path, "%s/%s", dir, name), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void set_up(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/test_client.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_dir(".baton");
	make_dir(".baton/executions");
	make_dir(".baton/executions/4711");
	put(".baton/version", "batonfs 0.1.0\n");
	put(".baton/executions/4711/execution.json", "{\"execution\":\"4711\",\"bytes\":5}\n");
	put(".baton/executions/4711/ttl", "3600\n");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	(void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

START_TEST(ids_that_could_leave_the_directory_are_refused)
{
	static const char *const bad[] = { "",	".",   "..",  "../x",	  "a/b",
					   "/", "a b", "a\n", "\xc3\xa4", "a\x01" };
	static const char *const good[] = { "4711",
					    "_",
					    "-x",
					    "...",
					    "a.b",
					    "__UNKNOWN__",
					    "0193b3a2-7e1c-7000-8000-0123456789ab" };
	char longest[BATON_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(!client_id_ok(bad[i]), "%s", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ck_assert_msg(client_id_ok(good[i]), "%s", good[i]);
	memset(longest, 'x', sizeof(longest));
	longest[BATON_ID_MAX + 1] = '\0';
	ck_assert(!client_id_ok(longest));
	longest[BATON_ID_MAX] = '\0';
	ck_assert(client_id_ok(longest));
}
END_TEST

START_TEST(directory_without_version_is_no_mount)
{
	_cleanup_client_ struct client c = CLIENT_NONE;

	ck_assert_int_eq(client_open_at("/proc", &c), -ENOENT);
	put(".baton/version", "something else\n");
	ck_assert_int_eq(client_open_at(dir, &c), -ENOENT);
}
END_TEST

START_TEST(execution_is_read)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *e = NULL;

	ck_assert_int_eq(client_open_at(dir, &c), 0);
	ck_assert_int_eq(client_execution(&c, "4711", &e), 0);
	ck_assert_str_eq(field_text(e, "execution"), "4711");
	ck_assert_int_eq(field_int(e, "bytes"), 5);
	ck_assert_int_eq(client_execution(&c, "4712", &e), -ENOENT);
	ck_assert_int_eq(client_why(&c, "4711", &e), -ENOENT);
}
END_TEST

START_TEST(answer_that_is_no_object_is_an_error)
{
	static const char *const bad[] = { "", "\n", "[]", "{", "{\"a\":1} x", "\xff" };
	_cleanup_client_ struct client c = CLIENT_NONE;

	ck_assert_int_eq(client_open_at(dir, &c), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_t *e = NULL;

		put(".baton/executions/4711/execution.json", bad[i]);
		ck_assert_int_eq(client_execution(&c, "4711", &e), -EBADMSG);
		ck_assert_ptr_null(e);
	}
}
END_TEST

START_TEST(long_file_is_read_whole)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_free_ char *long_text = malloc(100001);
	_cleanup_free_ char *text = NULL;

	ck_assert_ptr_nonnull(long_text);
	memset(long_text, 'x', 100000);
	long_text[100000] = '\0';
	put(".baton/executions/4711/ttl", long_text);
	ck_assert_int_eq(client_open_at(dir, &c), 0);
	ck_assert_int_eq(client_read(&c, "executions/4711/ttl", &text), 0);
	ck_assert_str_eq(text, long_text);
}
END_TEST

START_TEST(attribute_is_written)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_free_ char *text = NULL;

	ck_assert_int_eq(client_open_at(dir, &c), 0);
	put(".baton/executions/4711/ttl", "");
	ck_assert_int_eq(client_set(&c, "4711", "ttl", "never"), 0);
	ck_assert_int_eq(client_read(&c, "executions/4711/ttl", &text), 0);
	ck_assert_str_eq(text, "never");
	ck_assert_int_eq(client_set(&c, "4712", "ttl", "never"), -ENOENT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ids_that_could_leave_the_directory_are_refused,
		directory_without_version_is_no_mount,
		execution_is_read,
		answer_that_is_no_object_is_an_error,
		long_file_is_read_whole,
		attribute_is_written,
	};

	return RUN_TESTS("client", tests, set_up, tear_down);
}
