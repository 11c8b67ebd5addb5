/* SPDX-License-Identifier: MIT */
/*
 * The page as it is sent.
 */
#include "http/page.h"

#include "scratch.h"

static unsigned int count(const char *text, const char *what)
{
	unsigned int n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

START_TEST(nonces_differ)
{
	char a[PAGE_NONCE_MAX], b[PAGE_NONCE_MAX];

	ck_assert(page_nonce(a) == 0 && page_nonce(b) == 0);
	ck_assert_uint_eq(strlen(a), PAGE_NONCE_MAX - 1);
	ck_assert_uint_eq(strspn(a, "0123456789abcdef"), PAGE_NONCE_MAX - 1);
	ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(style_and_script_bear_the_nonce)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	ck_assert_int_eq(page_text("0123456789abcdef0123456789abcdef", &text, &len), 0);
	ck_assert_uint_eq(len, strlen(text));
	ck_assert_uint_eq(count(text, "<style nonce=\"0123456789abcdef0123456789abcdef\">"), 1);
	ck_assert_uint_eq(count(text, "<script nonce=\"0123456789abcdef0123456789abcdef\">"), 1);
	ck_assert_uint_eq(count(text, "<script") + count(text, "<style"), 2);
	ck_assert_uint_eq(count(text, "@NONCE@"), 0);
	ck_assert_uint_eq(count(text, "</html>\n"), 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { nonces_differ, style_and_script_bear_the_nonce };

	return RUN_TESTS("page", tests, scratch_setup, scratch_teardown);
}
