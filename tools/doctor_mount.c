/* SPDX-License-Identifier: MIT */
/*
 * The mounts. Whoever asks one whose daemon hangs may wait for ever, and cannot even be killed: so it is asked first by a
 * process of its own.
 */
#include "doctor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "baton/interface.h"
#include "client.h"
#include "field.h"
#include "say.h"
#include "util/cleanup.h"
#include "util/parse.h"

/* How long a mount may take to answer. Source: a takeover has it stand still for less. */
#define ANSWER_S 3

/* The mount that is asked about, or all there are. */
static int find_mounts(struct doctor *d, const char *arg)
{
	const char *env = getenv("BATON_MOUNT");
	int r;

	if (!arg && env && *env)
		arg = env;
	if (arg) {
		d->mounts.item = calloc(1, sizeof(*d->mounts.item));
		if (!d->mounts.item)
			return -ENOMEM;
		d->mounts.n = 1;
		d->mounts.item[0].path = strdup(arg);
		return d->mounts.item[0].path ? 0 : -ENOMEM;
	}
	r = mountpoint_list(&d->mounts);
	return r == -ENOMEM ? r : 0; /* without /proc: as if none were mounted */
}

/* 0, what client_open_at() says, or -ETIMEDOUT. */
static int ask(const char *path)
{
	_cleanup_close_ int process = -1;
	struct pollfd p = { .events = POLLIN };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct client c = CLIENT_NONE;

		_exit(-client_open_at(path, &c) & 0xff);
	}
	if (pid < 0)
		return -errno;
	process = (int)syscall(SYS_pidfd_open, pid, 0);
	p.fd = process;
	if (process >= 0 && poll(&p, 1, ANSWER_S * 1000) == 0) {
		(void)kill(pid, SIGKILL); /* it ends when the mount answers, or is ended */
		return -ETIMEDOUT;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -EIO;
	return -WEXITSTATUS(status);
}

int doctor_ask_mounts(struct doctor *d, const char *arg)
{
	int r = find_mounts(d, arg);

	if (r < 0)
		return r;
	d->asked = calloc(d->mounts.n + 1, sizeof(*d->asked));
	if (!d->asked)
		return -ENOMEM;
	for (size_t i = 0; i < d->mounts.n; i++) {
		d->asked[i] = ask(d->mounts.item[i].path);
		d->answered |= d->asked[i] == 0;
	}
	return 0;
}

static void report_status(struct doctor *d, const char *path, const json_t *status)
{
	const char *error = field_text(json_object_get(status, "ledger"), "error");
	const char *aside = field_text(json_object_get(status, "ledger"), "set_aside");
	char free_[SAY_MAX], size[SAY_MAX];

	if (field_bool(status, "passthrough"))
		doctor_report(d, "passthrough", LEVEL_OK, "", "", "%s: on", path);
	else
		doctor_report(
			d, "passthrough", LEVEL_WARN, "every byte passes through the daemon",
			"see kernel, CAP_SYS_ADMIN and namespaces above; the daemon's log has the rest",
			"%s: off: %s", path, field_text(status, "passthrough_why"));
	doctor_report(d, "mount", LEVEL_OK, "", "", "%s: batonfs %s on %s (%s%s%s), %s of %s free",
		      path, field_text(status, "version"), field_text(status, "store"),
		      field_text(status, "filesystem"),
		      *field_text(status, "hugepages") ? ", huge pages " : "",
		      field_text(status, "hugepages"),
		      format_size((uint64_t)field_int(status, "free"), free_, sizeof(free_)),
		      format_size((uint64_t)field_int(status, "size"), size, sizeof(size)));
	if (*error)
		doctor_report(d, "ledger", LEVEL_WARN,
			      "owners and lifetimes of new executions are not on record, and "
			      "files may have to wait",
			      "make room, or see the daemon's log", "%s: cannot be written: %s",
			      path, error);
	if (*aside)
		doctor_report(
			d, "ledger", LEVEL_WARN, "the reasons of earlier releases are not known",
			"nothing to do: it was rebuilt from the files; the old one can be deleted",
			"%s: was corrupt, kept as %s", path, aside);
	if (strcmp(field_text(status, "version"), BATON_VERSION) != 0)
		doctor_report(d, "version", LEVEL_WARN, "newer fields are not shown",
			      "install the same version of both",
			      "%s: the daemon is %s, this client %s", path,
			      field_text(status, "version"), BATON_VERSION);
}

static void check_mount(struct doctor *d, const char *path, int r)
{
	_cleanup_client_ struct client c = CLIENT_NONE;
	_cleanup_json_ json_t *status = NULL;

	if (r == 0)
		r = client_open_at(path, &c);
	if (r == 0)
		r = client_read_json(&c, "status.json", &status);
	if (r == 0)
		report_status(d, path, status);
	else if (r == -ENOTCONN)
		doctor_report(d, "mount", LEVEL_FAIL, "every access fails",
			      "umount, then mount again", "%s: the daemon is gone", path);
	else if (r == -ETIMEDOUT)
		doctor_report(
			d, "mount", LEVEL_FAIL, "whoever uses it waits, and may not even be killed",
			"see the daemon's log, and dmesg about the disk below the store; kill -CONT if it was "
			"stopped; `batonfs --clear MOUNTPOINT` ends it for all who wait",
			"%s: the daemon does not answer within %d s", path, ANSWER_S);
	else
		doctor_report(d, "mount", LEVEL_FAIL, "it cannot be looked after from here",
			      "is something else mounted over it?", "%s: does not answer: %s", path,
			      strerror(-r));
}

void doctor_check_mounts(struct doctor *d)
{
	for (size_t i = 0; i < d->mounts.n; i++)
		check_mount(d, d->mounts.item[i].path, d->asked[i]);
	if (d->mounts.n == 0)
		doctor_well(d, "mount", "no batonfs is mounted yet");
}
