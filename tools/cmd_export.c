/* SPDX-License-Identifier: MIT */
/*
 * baton export ID: an execution as a tar stream on standard output, or in a file that is there when it is complete.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "client.h"
#include "field.h"
#include "part.h"
#include "say.h"
#include "util/cleanup.h"

static enum baton_exit fails(const char *what, int err)
{
	say_error("export %s: %s", what, strerror(err));
	return BATON_FAILED;
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
	result = json_pack("{s:s, s:o, s:I, s:I, s:I}", "execution", id, "file",
			   client_json_bytes(file), "files", (json_int_t)sums->files, "bytes",
			   (json_int_t)sums->bytes, "skipped", (json_int_t)sums->skipped);
	client_print_json(result);
}

/* What fails has been printed. */
static enum baton_exit write_archive(const struct client *c, const struct invocation *inv,
				     const json_t *execution, int fd, struct archive_sums *ret)
{
	int r = archive_export(c, inv->argv[0], execution, fd, ret);

	if (r == -ENOMEM)
		return fails(inv->argv[0], ENOMEM);
	return r < 0 ? BATON_FAILED : BATON_OK;
}

static enum baton_exit export_to_stdout(const struct client *c, const struct invocation *inv,
					const json_t *execution)
{
	struct archive_sums sums;
	enum baton_exit code = write_archive(c, inv, execution, STDOUT_FILENO, &sums);

	if (code == BATON_OK && isatty(STDERR_FILENO))
		print_sums(inv, inv->argv[0], "-", &sums);
	return code;
}

static enum baton_exit export_to_file(const struct client *c, const struct invocation *inv,
				      const json_t *execution, const char *file)
{
	_cleanup_(part_drop) struct part part = PART_NONE;
	struct archive_sums sums;
	enum baton_exit code;
	int r = part_open(&part, file);

	if (r < 0)
		return fails(file, -r);
	code = write_archive(c, inv, execution, part.fd, &sums);
	if (code != BATON_OK)
		return code;
	r = part_commit(&part);
	if (r < 0)
		return fails(file, -r);
	print_sums(inv, inv->argv[0], file, &sums);
	return BATON_OK;
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
	return file ? export_to_file(&c, inv, e, file) : export_to_stdout(&c, inv, e);
}
