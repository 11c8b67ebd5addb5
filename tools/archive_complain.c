/* SPDX-License-Identifier: MIT */
#include "archive.h"

#include <archive.h>
#include <errno.h>
#include <string.h>

#include "say.h"

void archive_complain(const char *command, const char *what, struct archive *a)
{
	const char *text = archive_error_string(a) ?: "failed";
	int err = archive_errno(a);

	/* Its own codes are -1, and these two. */
	if (err <= 0 || err == EILSEQ || err == EINVAL || strstr(text, strerror(err)))
		say_error("%s %s: %s", command, what, text);
	else
		say_error("%s %s: %s: %s", command, what, text, strerror(err));
}
