/* SPDX-License-Identifier: MIT */
/*
 * baton export ID: an execution as a tar stream on standard output, or in a file that is there when it is complete.
 */
#include "baton.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "client.h"
#include "field.h"
#include "say.h"
#include "util/cleanup.h"

static enum baton_exit fails(const char *what, int err)
{
	say_error("export %s: %s", what, strerror(err));
	return BATON_FAILED;
}

/* Whether the file is written as it is: what is no regular file cannot be replaced. */
static bool is_special(const char *file)
{
	struct stat st;

	return stat(file, &st) == 0 && !S_ISREG(st.st_mode);
}

static void print_sums(const struct invocation *inv, const char *id, const char *file,
		       const struct archive_sums *sums)
{
	char usage[SAY_MAX];
	_cleanup_json_ json_t *result = NULL;

	if (!inv->json) {
		(void)fprintf(stderr, "%s: exported, %s\n", id,
			      say_usage((int64_t)sums->files, (int64_t)sums->bytes, usage,
					sizeof(usage)));
		return;
	}
	result = json_pack("{s:s, s:s, s:I, s:I, s:I}", "execution", id, "file", file, "files",
			   (json_int_t)sums->files, "bytes", (json_int_t)sums->bytes, "skipped",
			   (json_int_t)sums->skipped);
	client_print_json(result);
}

static enum baton_exit export_to(const struct client *c, const struct invocation *inv,
				 const json_t *execution, int fd, const char *file)
{
	struct archive_sums sums;
	int r = archive_export(c, inv->argv[0], execution, fd, &sums);

	if (r == -ENOMEM)
		return fails(inv->argv[0], ENOMEM);
	if (r < 0)
		return BATON_FAILED;
	if (file || isatty(STDERR_FILENO))
		print_sums(inv, inv->argv[0], file ? file : "-", &sums);
	return BATON_OK;
}

/* The working directory changes meanwhile. */
static enum baton_exit export_to_file(const struct client *c, const struct invocation *inv,
				      const json_t *execution, const char *file)
{
	_cleanup_close_ int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *part = NULL;
	enum baton_exit code;

	if (is_special(file))
		fd = open(file, O_WRONLY | O_CLOEXEC);
	else if (asprintf(&part, "%s.%ld.part", file, (long)getpid()) > 0)
		fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 || cwd < 0)
		return fails(file, errno);
	code = export_to(c, inv, execution, fd, file);
	if (!part)
		return code;
	if (code == BATON_OK && renameat(cwd, part, cwd, file) < 0)
		code = fails(file, errno);
	if (code != BATON_OK)
		(void)unlinkat(cwd, part, 0);
	return code;
}

enum baton_exit cmd_export(const struct invocation *inv)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *e = NULL;
	const char *file = invocation_option(inv, "output");
	const char *id = inv->argv[0];
	int r;

	if (!client_check_id("export", id))
		return BATON_USAGE;
	if (file && strcmp(file, "-") == 0)
		file = NULL;
	if (!file && (inv->json || isatty(STDOUT_FILENO))) {
		say_error("export %s: %s: say where to with -o FILE", id,
			  inv->json ? "the archive would be among the JSON"
				    : "standard output is a terminal");
		return BATON_USAGE;
	}
	if (client_open(inv->mount_arg, &c) < 0)
		return BATON_FAILED;
	r = client_execution(&c, id, &e);
	if (r < 0) {
		client_complain(&c, "export", id, r);
		return BATON_FAILED;
	}
	if (strcmp(field_text(e, "lifetime"), "ttl") != 0) {
		say_error("export %s: no execution with a lifetime of its own", id);
		return BATON_FAILED;
	}
	return file ? export_to_file(&c, inv, e, file) : export_to(&c, inv, e, STDOUT_FILENO, NULL);
}
