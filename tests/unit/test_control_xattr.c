/* SPDX-License-Identifier: MIT */
/*
 * The user.baton.* attributes of directories and files.
 */
#include "test_control_fixture.h"

/* What a file was told. */
struct file {
	int calls;
	int64_t ttl_ns;
};

static int on_set_file_ttl(void *ctx, int64_t ttl_ns)
{
	struct file *f = ctx;

	f->calls++;
	f->ttl_ns = ttl_ns;
	return 0;
}

/* The value as a string; asserts that there is one. */
static const char *value_of(const struct control_subject *s, const char *name)
{
	static char buf[128];
	int n = control_xattr_get(fix.control, 0, s, name, buf, sizeof(buf) - 1);

	ck_assert_msg(n >= 0, "%s: %d", name, n);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, s, name, NULL, 0), n);
	buf[n] = '\0';
	return buf;
}

static int set(const struct control_subject *s, const struct control_caller *who, const char *name,
	       const char *value)
{
	return control_xattr_set(fix.control, s, who, name, value, strlen(value));
}

START_TEST(directory_shows_the_attributes_of_its_execution)
{
	struct control_subject s = { .exec = real_execution("4711", &alice), .is_exec_dir = true };
	char buf[3];

	exec_account(s.exec, 1, 100);
	ck_assert_str_eq(value_of(&s, "execution"), "4711");
	ck_assert_str_eq(value_of(&s, "owner"), "1000 100 77 node");
	ck_assert_str_eq(value_of(&s, "ttl"), "3600");
	ck_assert_str_eq(value_of(&s, "pinned"), "0");
	ck_assert_str_eq(value_of(&s, "bytes"), "100");
	ck_assert_str_eq(value_of(&s, "files"), "1");
	ck_assert_ptr_nonnull(strchr(value_of(&s, "expires"), '.'));
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "bytes", buf, 3), 3);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "ttl", buf, 3), -ERANGE);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "release", buf, 3), -ENODATA);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "execution.json", buf, 3), -ENODATA);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "", buf, 3), -ENODATA);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(setting_on_the_directory_sets_the_execution)
{
	struct control_subject s = { .exec = real_execution("4711", &alice), .is_exec_dir = true };

	ck_assert_int_eq(set(&s, &alice, "ttl", "90"), 0);
	assert_text("executions/4711/ttl", "90\n");
	ck_assert_int_eq(set(&s, &alice, "pinned", "1"), 0);
	assert_text("executions/4711/pinned", "1\n");
	ck_assert_int_eq(set(&s, &bob, "pinned", "0"), -EACCES);
	ck_assert_int_eq(set(&s, &alice, "bytes", "0"), -EPERM);
	ck_assert_int_eq(set(&s, &alice, "nothing", "0"), -EOPNOTSUPP);
	ck_assert_int_eq(set(&s, &alice, "release", "1"), -EOPNOTSUPP);
	ck_assert_int_eq(set(&s, &alice, "ttl", "x"), -EINVAL);
	ck_assert_int_eq(set(&s, &alice, "ttl", "0"), -ERANGE);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(ttl_of_a_directory_below_is_the_executions_and_read_only)
{
	struct control_subject s = { .exec = real_execution("4711", &alice) };

	ck_assert_str_eq(value_of(&s, "ttl"), "3600");
	ck_assert_int_eq(set(&s, &alice, "ttl", "90"), -EOPNOTSUPP);
	ck_assert_int_eq(set(&s, &alice, "pinned", "1"), 0);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(file_has_a_lifetime_of_its_own)
{
	struct file f = { 0 };
	struct control_subject s = {
		.exec = real_execution("4711", &alice),
		.is_file = true,
		.uid = 1001,
		.file_ttl_ns = LEDGER_TTL_DEFAULT,
		.ctx = &f,
		.set_file_ttl = on_set_file_ttl,
	};

	ck_assert_str_eq(value_of(&s, "ttl"), "3600");
	ck_assert_int_eq(set(&s, &bob, "ttl", "90"), 0); /* the file's owner */
	ck_assert_int_eq(f.calls, 1);
	ck_assert_int_eq(f.ttl_ns, INT64_C(90000000000));
	ck_assert_int_eq(set(&s, &alice, "ttl", "never\n"), 0); /* the execution's */
	ck_assert_int_eq(f.ttl_ns, LEDGER_TTL_NEVER);
	ck_assert_int_eq(set(&s, &root, "ttl", "default"), 0);
	ck_assert_int_eq(f.ttl_ns, LEDGER_TTL_DEFAULT);
	s.uid = 0;
	ck_assert_int_eq(set(&s, &bob, "ttl", "90"), -EACCES);
	ck_assert_int_eq(f.calls, 3);
	assert_text("executions/4711/ttl", "3600\n");

	s.own_lifetime = true;
	s.file_ttl_ns = INT64_C(1500000000);
	s.file_active_real_ns = INT64_C(1790000000250000000);
	ck_assert_str_eq(value_of(&s, "ttl"), "1.5");
	ck_assert_str_eq(value_of(&s, "expires"), "1790000001.750");
	s.file_ttl_ns = LEDGER_TTL_NEVER;
	ck_assert_str_eq(value_of(&s, "ttl"), "never");
	ck_assert_str_eq(value_of(&s, "expires"), "never");
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(file_that_names_no_execution_is_its_owners_alone)
{
	struct file f = { 0 };
	struct control_subject s = {
		.is_file = true,
		.uid = 1001,
		.own_lifetime = true,
		.file_ttl_ns = LEDGER_TTL_DEFAULT,
		.file_active_real_ns = INT64_C(1790000000000000000),
		.ctx = &f,
		.set_file_ttl = on_set_file_ttl,
	};

	add_special("_", LIFETIME_FILES);
	s.exec = exec_lookup(fix.execs, "_");
	ck_assert_str_eq(value_of(&s, "execution"), "_");
	ck_assert_str_eq(value_of(&s, "ttl"), "3600");
	ck_assert_str_eq(value_of(&s, "expires"), "1790003600.000");
	ck_assert_int_eq(set(&s, &alice, "ttl", "90"), -EACCES); /* owns `_`, by chance */
	ck_assert_int_eq(set(&s, &bob, "ttl", "90"), 0);
	ck_assert_int_eq(f.ttl_ns, INT64_C(90000000000));
	ck_assert_int_eq(set(&s, &root, "pinned", "1"), -EPERM);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(files_of_n8n_are_not_ours_to_expire)
{
	struct file f = { 0 };
	struct control_subject s = {
		.is_file = true,
		.uid = 1000,
		.file_ttl_ns = LEDGER_TTL_DEFAULT,
		.ctx = &f,
		.set_file_ttl = on_set_file_ttl,
	};

	add_special("n8n", LIFETIME_EXTERNAL);
	s.exec = exec_lookup(fix.execs, "n8n");
	ck_assert_str_eq(value_of(&s, "ttl"), "never");
	ck_assert_str_eq(value_of(&s, "expires"), "never");
	ck_assert_int_eq(set(&s, &root, "ttl", "90"), -EPERM);
	ck_assert_int_eq(f.calls, 0);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(virtual_directory_becomes_real_and_the_callers)
{
	struct control_subject s = { .exec = exec_get(fix.execs, "4711", LIFETIME_TTL),
				     .is_exec_dir = true };
	char buf[64];

	ck_assert_str_eq(value_of(&s, "execution"), "4711");
	ck_assert_str_eq(value_of(&s, "ttl"), "3600");
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "owner", buf, 64), -ENODATA);
	ck_assert_int_eq(control_xattr_get(fix.control, 0, &s, "expires", buf, 64), -ENODATA);
	ck_assert_int_eq(set(&s, &bob, "ttl", "default"), 0);
	ck_assert_int_eq(set(&s, &bob, "pinned", "0"), 0);
	ck_assert_uint_eq(exec_count(fix.execs), 0);
	ck_assert_int_eq(set(&s, &bob, "ttl", "90"), 0);
	ck_assert_int_eq(fix.root_changes, 1);
	assert_text("executions/4711/ttl", "90\n");
	assert_text("executions/4711/owner", "1001 100 78 python\n");
	ck_assert_int_eq(set(&s, &alice, "pinned", "1"), -EACCES);
	exec_unref(fix.execs, s.exec);
}
END_TEST

START_TEST(nothing_can_be_set_on_what_was_released)
{
	struct exec_release_args args = { .reason = LEDGER_RELEASED };
	struct control_subject s = { .exec = real_execution("4711", &alice), .is_exec_dir = true };

	ck_assert_int_eq(exec_release(fix.execs, s.exec, &args), 0);
	ck_assert_int_eq(set(&s, &alice, "ttl", "90"), -ENOENT);
	ck_assert_int_eq(set(&s, &alice, "pinned", "1"), -ENOENT);
	ck_assert_int_eq(fix.root_changes, 0);
	exec_unref(fix.execs, s.exec);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		directory_shows_the_attributes_of_its_execution,
		setting_on_the_directory_sets_the_execution,
		ttl_of_a_directory_below_is_the_executions_and_read_only,
		file_has_a_lifetime_of_its_own,
		file_that_names_no_execution_is_its_owners_alone,
		files_of_n8n_are_not_ours_to_expire,
		virtual_directory_becomes_real_and_the_callers,
		nothing_can_be_set_on_what_was_released,
	};

	return RUN_TESTS("control_xattr", tests, fixture_setup, fixture_teardown);
}
