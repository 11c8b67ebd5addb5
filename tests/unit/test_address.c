/* SPDX-License-Identifier: MIT */
#include "util/address.h"

#include "scratch.h"

static struct address address;

static void assert_address(const char *text, const char *back)
{
	char got[ADDRESS_TEXT_MAX];

	ck_assert_msg(address_parse(text, &address) == 0, "%s", text);
	ck_assert_str_eq(address_format(&address, got, sizeof(got)), back);
}

START_TEST(numbers_are_read_and_written)
{
	assert_address("127.0.0.1:9464", "127.0.0.1:9464");
	ck_assert_int_eq(address.sock.any.sa_family, AF_INET);
	assert_address("0.0.0.0:0", "0.0.0.0:0");
	assert_address("[::1]:9464", "[::1]:9464");
	ck_assert_int_eq(address.sock.any.sa_family, AF_INET6);
	assert_address("[0:0::1]:65535", "[::1]:65535");
}
END_TEST

START_TEST(all_else_is_refused)
{
	static const char *const bad[] = {
		"",
		":",
		"9464",
		":9464",
		"127.0.0.1",
		"127.0.0.1:",
		"localhost:1",
		"::1:9464",
		"[::1]",
		"[::1]9464",
		"[]:1",
		"[::1:1",
		"[127.0.0.1]x:1",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:0x1",
		"127.0.0.1:http",
		"256.0.0.1:1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_msg(address_parse(bad[i], &address) == -EINVAL, "'%s'", bad[i]);
}
END_TEST

START_TEST(what_is_the_machines_own)
{
	static const char *const own[] = { "127.0.0.1:1", "127.255.0.3:1", "[::1]:0" };
	static const char *const others[] = { "0.0.0.0:1", "128.0.0.1:1", "[::]:1", "[::2]:1" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		ck_assert(address_parse(own[i], &address) == 0 && address_is_loopback(&address));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert(address_parse(others[i], &address) == 0 &&
			  !address_is_loopback(&address));
}
END_TEST

START_TEST(hosts_that_name_it)
{
	static const char *const own[] = { "localhost",	  "LocalHost:9464", "127.0.0.1",
					   "127.0.0.1:1", "[::1]",	    "[::1]:9464",
					   "127.9.9.9:" };
	static const char *const others[] = {
		"",
		"example.org",
		"localhost.example.org",
		"127.0.0.1.example.org",
		"127.0.0.1x",
		"[127.0.0.1]",
		"[localhost]",
		"::1",
		"[::1",
		"[::1]example.org:80",
		"10.0.0.1:9464",
		"localhost\tx",
		":9464",
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		ck_assert_msg(address_host_is_loopback(own[i]), "%s", own[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_msg(!address_host_is_loopback(others[i]), "%s", others[i]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		numbers_are_read_and_written,
		all_else_is_refused,
		what_is_the_machines_own,
		hosts_that_name_it,
	};

	return RUN_TESTS("address", tests, scratch_setup, scratch_teardown);
}
