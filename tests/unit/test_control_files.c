/* SPDX-License-Identifier: MIT */
/*
 * What the files under .baton say and what writing to them does.
 */
#include "test_control_fixture.h"

START_TEST(fresh_execution_reads_as_the_contract_says)
{
	struct execution *e = real_execution("4711", &alice);
	char expires[64];
	int64_t ms;

	exec_account(e, 2, 12345);
	ms = (exec_expires_real_ns(fix.execs, e) + 500000) / 1000000;
	(void)snprintf(expires, sizeof(expires), "%" PRId64 ".%03" PRId64 "\n", ms / 1000,
		       ms % 1000);
	assert_text("version", "batonfs 0.1.0\n");
	assert_text("executions/4711/ttl", "3600\n");
	assert_text("executions/4711/expires", expires);
	assert_text("executions/4711/pinned", "0\n");
	assert_text("executions/4711/owner", "1000 100 77 node\n");
	assert_text("executions/4711/bytes", "12345\n");
	assert_text("executions/4711/files", "2\n");
	exec_unref(fix.execs, e);
}
END_TEST

START_TEST(ttl_takes_durations_and_words)
{
	static const struct {
		const char *text;
		int result;
		const char *after; /* NULL: as before */
	} rows[] = {
		{ "90", 0, "90\n" },
		{ " 30m \n", 0, "1800\n" },
		{ "1.5", 0, "1.5\n" },
		{ "1.001s", 0, "1.001\n" },
		{ "250ms", 0, "0.25\n" },
		{ "1h30m\n", 0, "5400\n" },
		{ "never\n", 0, "never\n" },
		{ "default", 0, "3600\n" },
		{ "0", -ERANGE, NULL },
		{ "0s\n", -ERANGE, NULL },
		{ "0.0000000001", -ERANGE, NULL },
		{ "99999999999999", -ERANGE, NULL },
		{ "101w1000000d", -ERANGE, NULL },
		{ "9000000000", -ERANGE, NULL },
		{ "", -EINVAL, NULL },
		{ "\n", -EINVAL, NULL },
		{ "-1", -EINVAL, NULL },
		{ "soon", -EINVAL, NULL },
		{ "nevermore", -EINVAL, NULL },
		{ "1 2", -EINVAL, NULL },
		{ "0000000000000000000000000000000000000000000000000000000000000000001", -EINVAL,
		  NULL },
	};
	const char *now = "3600\n";

	add_execution("4711", &alice);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = write_to("executions/4711/ttl", &alice, rows[i].text);

		ck_assert_msg(r == rows[i].result, "%s: %d", rows[i].text, r);
		now = rows[i].after ? rows[i].after : now;
		assert_text("executions/4711/ttl", now);
	}
}
END_TEST

START_TEST(values_with_a_nul_or_too_long_are_refused)
{
	_cleanup_free_ char *blanks = calloc(1, CONTROL_WRITE_MAX + 2);
	uint64_t node = 0;
	struct stat st;

	add_execution("4711", &alice);
	ck_assert_int_eq(walk_to("executions/4711/ttl", &node, &st), 0);
	ck_assert_int_eq(control_write(fix.control, node, &alice, "1\0", 2, &reason), -EINVAL);
	memset(blanks, ' ', CONTROL_WRITE_MAX + 1);
	ck_assert_int_eq(control_write(fix.control, node, &alice, blanks, CONTROL_WRITE_MAX + 1,
				       &reason),
			 -EINVAL);
	blanks[0] = '9';
	ck_assert_int_eq(control_write(fix.control, node, &alice, blanks, CONTROL_WRITE_MAX,
				       &reason),
			 0);
	assert_text("executions/4711/ttl", "9\n");
}
END_TEST

START_TEST(pinned_or_never_does_not_expire)
{
	add_execution("4711", &alice);
	ck_assert_int_eq(write_to("executions/4711/pinned", &alice, "1\n"), 0);
	assert_text("executions/4711/pinned", "1\n");
	assert_text("executions/4711/expires", "never\n");
	ck_assert_int_eq(write_to("executions/4711/pinned", &alice, "2"), -EINVAL);
	ck_assert_int_eq(write_to("executions/4711/pinned", &root, "0"), 0);
	assert_text("executions/4711/pinned", "0\n");
	ck_assert_int_eq(write_to("executions/4711/ttl", &alice, "never"), 0);
	assert_text("executions/4711/expires", "never\n");
}
END_TEST

START_TEST(only_the_owner_and_root_may_write)
{
	static const char *const files[] = { "ttl", "pinned", "release" };
	char path[64];

	add_execution("4711", &alice);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "executions/4711/%s", files[i]);
		ck_assert_int_eq(write_to(path, &bob, "1"), -EACCES);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "executions/4711/%s", files[i]);
		ck_assert_int_eq(write_to(path, &alice, "1"), 0);
	}
}
END_TEST

/* A descriptor may be passed on: to a program of root's as its standard output, to the owner of who came later. */
START_TEST(who_opened_it_must_be_permitted_too)
{
	static const struct control_caller root_by_bob = { .who = { .comm = "su" },
							   .opener = 1001 };
	struct control_caller alice_by_bob = alice;
	struct control_caller alice_herself = alice;

	alice_by_bob.opener = bob.who.uid;
	alice_herself.opener = alice.who.uid;
	add_execution("4711", &alice);
	ck_assert_int_eq(write_to("executions/4711/release", &root_by_bob, "usage: su"), -EACCES);
	ck_assert_int_eq(write_to("executions/4711/release", &alice_by_bob, "hello"), -EACCES);
	ck_assert_int_eq(write_to("executions/4711/ttl", &root_by_bob, "1"), -EACCES);
	ck_assert_int_eq(write_to("sharing.json", &root_by_bob, "remove"), -EACCES);
	ck_assert_int_eq(write_to("executions/4711/release", &alice_herself, "1"), 0);
}
END_TEST

START_TEST(the_wrong_direction_is_refused)
{
	uint64_t node = 0;
	char *text = NULL;
	struct stat st;
	size_t len;

	add_execution("4711", &alice);
	ck_assert_int_eq(write_to("version", &root, "x"), -EACCES);
	ck_assert_int_eq(write_to("status.json", &root, "x"), -EACCES);
	ck_assert_int_eq(write_to("why/4711", &root, "x"), -EACCES);
	ck_assert_int_eq(write_to("executions/4711/bytes", &root, "1"), -EACCES);
	ck_assert_int_eq(write_to("executions/4711", &root, "1"), -EISDIR);
	ck_assert_int_eq(walk_to("executions/4711/release", &node, &st), 0);
	ck_assert_int_eq(control_read(fix.control, node, &root, &text, &len), -EACCES);
	ck_assert_int_eq(walk_to("executions", &node, &st), 0);
	ck_assert_int_eq(control_read(fix.control, node, &root, &text, &len), -EISDIR);
	ck_assert_int_eq(control_read(fix.control, node + 1000, &root, &text, &len), -ESTALE);
}
END_TEST

START_TEST(others_and_n8n_have_no_lifetime_to_set)
{
	static const char *const files[] = { "ttl", "pinned", "release" };
	char path[64];

	add_special("_", LIFETIME_FILES);
	add_special("n8n", LIFETIME_EXTERNAL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "executions/_/%s", files[i]);
		ck_assert_int_eq(write_to(path, &root, "1"), -EPERM);
		(void)snprintf(path, sizeof(path), "executions/n8n/%s", files[i]);
		ck_assert_int_eq(write_to(path, &root, "1"), -EPERM);
	}
	assert_text("executions/_/expires", "never\n");
	assert_text("executions/n8n/ttl", "never\n");
}
END_TEST

START_TEST(release_moves_the_directory_and_says_who)
{
	_cleanup_(json_decrefp) json_t *why = NULL;
	json_t *release;
	struct stat st;
	uint64_t node;

	add_execution("4711", &alice);
	ck_assert_int_eq(walk_to("executions/4711/pinned", &node, &st), 0);
	ck_assert(!control_is_release(fix.control, node));
	ck_assert_int_eq(walk_to("executions/4711/release", &node, &st), 0);
	ck_assert(control_is_release(fix.control, node));
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "4711", &st, 0), 0);
	ck_assert_int_eq(write_to("executions/4711/release", &alice, "please"), 0);
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "4711", &st, 0), -1);
	ck_assert_int_eq(walk_to("executions/4711", &node, &st), -ENOENT);

	why = json_at("why/4711");
	ck_assert(json_is_null(json_object_get(why, "now")));
	ck_assert_uint_eq(json_array_size(json_object_get(why, "releases")), 1);
	release = json_array_get(json_object_get(why, "releases"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(release, "reason")), "released");
	ck_assert_str_eq(json_string_value(json_object_get(release, "path")), "");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(release, "by"), "uid")),
			 1000);
	ck_assert_double_eq(json_number_value(json_object_get(release, "ttl")), 3600);
}
END_TEST

START_TEST(why_tells_of_the_living_and_of_those_before)
{
	static const struct {
		enum ledger_reason reason;
		const char *name;
	} rows[] = { { LEDGER_EXPIRED, "expired" }, { LEDGER_EVICTED, "evicted" } };
	_cleanup_(json_decrefp) json_t *why = NULL;
	json_t *releases;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct exec_release_args args = { .reason = rows[i].reason };
		struct execution *e = real_execution("4711", &alice);

		ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
		exec_unref(fix.execs, e);
	}
	add_execution("4711", &bob);
	why = json_at("why/4711");
	releases = json_object_get(why, "releases");
	ck_assert_str_eq(json_string_value(json_object_get(why, "execution")), "4711");
	ck_assert_int_eq(json_integer_value(json_object_get(
				 json_object_get(json_object_get(why, "now"), "owner"), "uid")),
			 1001);
	ck_assert_uint_eq(json_array_size(releases), 2);
	for (size_t i = 0; i < 2; i++) { /* newest first */
		json_t *r = json_array_get(releases, i);

		ck_assert_str_eq(json_string_value(json_object_get(r, "reason")), rows[1 - i].name);
		ck_assert(json_is_null(json_object_get(r, "by")));
		ck_assert_ptr_nonnull(json_object_get(r, "by"));
	}
}
END_TEST

START_TEST(a_mark_on_flat_files_makes_a_directory_of_the_owner)
{
	struct execution *e = exec_get(fix.execs, "4711", LIFETIME_TTL);
	struct stat st;

	ck_assert_int_eq(exec_flat_add(fix.execs, e, "4711_x", &alice.who), 0);
	exec_unref(fix.execs, e);
	ck_assert_int_eq(write_to("executions/4711/ttl", &alice, "default"), 0);
	ck_assert_int_eq(fix.root_changes, 0);
	ck_assert_int_eq(write_to("executions/4711/ttl", &root, "2h"), 0);
	ck_assert_int_eq(fix.root_changes, 1);
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "4711", &st, 0), 0);
	ck_assert_uint_eq(st.st_uid, 1000);
	ck_assert_uint_eq(st.st_gid, 100);
	ck_assert_int_eq(write_to("executions/4711/pinned", &alice, "1"), 0);
	ck_assert_int_eq(fix.root_changes, 1);
	assert_text("executions/4711/ttl", "7200\n");
	assert_text("executions/4711/owner", "1000 100 77 node\n");
}
END_TEST

START_TEST(a_released_execution_takes_no_marks)
{
	struct exec_release_args args = { .reason = LEDGER_RELEASED };
	struct execution *e = real_execution("4711", &alice);
	bool made = false;
	struct stat st;

	ck_assert_int_eq(exec_release(fix.execs, e, &args), 0);
	ck_assert_int_eq(exec_set_ttl(fix.execs, e, INT64_C(1000000000), &made), -ESTALE);
	ck_assert_int_eq(exec_set_pinned(fix.execs, e, true, &made), -ESTALE);
	ck_assert(!made);
	ck_assert_int_eq(fstatat(fix.store.tree_fd, "4711", &st, 0), -1);
	exec_unref(fix.execs, e);
}
END_TEST

/* ---- JSON ---- */

START_TEST(execution_json_has_the_fields_of_the_contract)
{
	static const struct {
		const char *key;
		json_type type;
	} fields[] = {
		{ "execution", JSON_STRING }, { "state", JSON_STRING },
		{ "lifetime", JSON_STRING },  { "owner", JSON_OBJECT },
		{ "created", JSON_REAL },     { "active", JSON_REAL },
		{ "expires", JSON_REAL },     { "ttl", JSON_REAL },
		{ "pinned", JSON_FALSE },     { "bytes", JSON_INTEGER },
		{ "files", JSON_INTEGER },    { "limit_bytes", JSON_NULL },
		{ "limit_files", JSON_NULL }, { "open", JSON_INTEGER },
	};
	_cleanup_(json_decrefp) json_t *e = NULL;
	_cleanup_(json_decrefp) json_t *pinned = NULL;

	add_execution("4711", &alice);
	e = json_at("executions/4711/execution.json");
	ck_assert_uint_eq(json_object_size(e), ARRAY_SIZE(fields));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *value = json_object_get(e, fields[i].key);

		ck_assert_msg(value && json_typeof(value) == fields[i].type, "%s", fields[i].key);
	}
	ck_assert_str_eq(json_string_value(json_object_get(e, "state")), "active");
	ck_assert_str_eq(json_string_value(json_object_get(e, "lifetime")), "ttl");
	ck_assert_double_eq_tol(json_number_value(json_object_get(e, "expires")),
				json_number_value(json_object_get(e, "active")) + 3600, 0.002);

	ck_assert_int_eq(write_to("executions/4711/pinned", &alice, "1"), 0);
	pinned = json_at("executions/4711/execution.json");
	ck_assert(json_is_null(json_object_get(pinned, "expires")));
	ck_assert(json_is_true(json_object_get(pinned, "pinned")));
}
END_TEST

START_TEST(times_have_three_decimals)
{
	_cleanup_free_ char *text = NULL;
	const char *p;

	add_execution("4711", &alice);
	text = text_of("executions/4711/execution.json");
	p = strstr(text, "\"created\":");
	ck_assert_ptr_nonnull(p);
	p = strchr(p, '.');
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_le(strspn(p + 1, "0123456789"), 3);
}
END_TEST

START_TEST(a_comm_of_any_bytes_becomes_valid_text)
{
	static const struct control_caller odd = { .who = { .uid = 5,
							    .comm = "a\xff\n\xc3\xa4\xe2\x82" } };
	static const struct control_caller full = {
		.who = { .uid = 6,
			 .comm = { '\x80', '\x80', '\x80', '\x80', '\x80', '\x80', '\x80', '\x80',
				   '\x80', '\x80', '\x80', '\x80', '\x80', '\x80', '\x80',
				   '\x80' } }
	};
	_cleanup_(json_decrefp) json_t *e = NULL;
	_cleanup_(json_decrefp) json_t *f = NULL;

	add_execution("4711", &odd);
	add_execution("4712", &full);
	e = json_at("executions/4711/execution.json");
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(e, "owner"), "comm")),
			 "a\xef\xbf\xbd\n\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("executions/4711/owner",
		    "5 0 0 a\xef\xbf\xbd?\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\n");
	f = json_at("executions/4712/execution.json"); /* no NUL at the end */
	ck_assert_uint_eq(json_string_length(json_object_get(json_object_get(f, "owner"), "comm")),
			  48);
}
END_TEST

START_TEST(executions_json_lists_all_by_age)
{
	_cleanup_(json_decrefp) json_t *none = json_at("executions.json");
	_cleanup_(json_decrefp) json_t *all = NULL;
	json_t *list;
	char id[8];

	ck_assert_uint_eq(json_array_size(json_object_get(none, "executions")), 0);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(id, sizeof(id), "%d", (i * 7919) % 1000);
		add_execution(id, &alice);
	}
	all = json_at("executions.json");
	list = json_object_get(all, "executions");
	ck_assert_uint_eq(json_array_size(list), 200);
	for (int i = 0; i < 200; i++) {
		json_t *e = json_array_get(list, (size_t)i);

		(void)snprintf(id, sizeof(id), "%d", (i * 7919) % 1000);
		ck_assert_str_eq(json_string_value(json_object_get(e, "execution")), id);
	}
}
END_TEST

START_TEST(status_sums_up_and_asks_above)
{
	static const struct {
		const char *key;
		json_int_t value;
	} sums[] = { { "executions", 2 }, { "bytes", 300 }, { "files", 3 }, { "open", 1 } };
	struct execution *a = real_execution("1", &alice);
	struct execution *b = real_execution("2", &bob);
	_cleanup_(json_decrefp) json_t *status = NULL;
	json_t *ledger;

	exec_account(a, 1, 100);
	exec_account(b, 2, 200);
	exec_opened(b);
	status = json_at("status.json");
	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		ck_assert_int_eq(json_integer_value(json_object_get(status, sums[i].key)),
				 sums[i].value);
	ck_assert_str_eq(json_string_value(json_object_get(status, "version")), "0.1.0");
	ck_assert_str_eq(json_string_value(json_object_get(status, "mountpoint")), "/data");
	ledger = json_object_get(status, "ledger");
	ck_assert_int_ge(json_integer_value(json_object_get(ledger, "events")), 2);
	ck_assert_str_eq(json_string_value(json_object_get(ledger, "error")), "");
	exec_closed(b);
	exec_unref(fix.execs, a);
	exec_unref(fix.execs, b);
}
END_TEST

START_TEST(metrics_have_our_own_and_those_from_above)
{
	_cleanup_free_ char *text = NULL;

	add_execution("4711", &alice);
	add_special("4712", LIFETIME_EXTERNAL);
	ck_assert_int_eq(write_to("executions/4711/pinned", &alice, "1"), 0);
	add_execution("4713", &alice);
	ck_assert_int_eq(write_to("executions/4713/release", &alice, "1"), 0);
	text = text_of("metrics");
	ck_assert_ptr_nonnull(strstr(text, "\nbatonfs_executions 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nbatonfs_pinned_executions 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nbatonfs_releases_total{reason=\"released\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text, "\nbatonfs_releases_total{reason=\"expired\"} 0\n"));
	ck_assert_str_eq(text + strlen(text) - strlen("\nabove 1\n"), "\nabove 1\n");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		fresh_execution_reads_as_the_contract_says,
		ttl_takes_durations_and_words,
		values_with_a_nul_or_too_long_are_refused,
		pinned_or_never_does_not_expire,
		only_the_owner_and_root_may_write,
		who_opened_it_must_be_permitted_too,
		the_wrong_direction_is_refused,
		others_and_n8n_have_no_lifetime_to_set,
		release_moves_the_directory_and_says_who,
		why_tells_of_the_living_and_of_those_before,
		a_mark_on_flat_files_makes_a_directory_of_the_owner,
		a_released_execution_takes_no_marks,
		execution_json_has_the_fields_of_the_contract,
		times_have_three_decimals,
		a_comm_of_any_bytes_becomes_valid_text,
		executions_json_lists_all_by_age,
		status_sums_up_and_asks_above,
		metrics_have_our_own_and_those_from_above,
	};

	return RUN_TESTS("control_files", tests, fixture_setup, fixture_teardown);
}
