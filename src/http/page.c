/* SPDX-License-Identifier: MIT */
/*
 * The page as it stands in status.html, which CMakeLists.txt names.
 */
#include "http/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/cleanup.h"

/* What stands for the nonce. */
#define PLACE "@NONCE@"

extern const char page_template[];

__asm__(".pushsection .rodata\n"
	".global page_template\n"
	"page_template:\n"
	".incbin \"" PAGE_FILE "\"\n"
	".byte 0\n"
	".popsection\n");

int page_nonce(char nonce[PAGE_NONCE_MAX])
{
	unsigned char random[(PAGE_NONCE_MAX - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return 0;
}

int page_text(const char *nonce, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	const char *at = page_template;
	const char *place;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	for (; (place = strstr(at, PLACE)); at = place + strlen(PLACE))
		(void)fprintf(out, "%.*s%s", (int)(place - at), at, nonce);
	(void)fputs(at, out);
	if (fclose(out) != 0)
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}
