/* SPDX-License-Identifier: MIT */
/*
 * baton doctor: what kernel, machine, store and mount can do, what it costs where they cannot, and the
 * cure. A table of checks, each of which reports one or more lines. A check fails only if batonfs cannot
 * work without it; what is merely slower or narrower is a warning. Where a mount already answers, nothing
 * about the machine is essential any more: somebody else may have made it, outside this container.
 */
#include "baton.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"
#include "doctor.h"
#include "field.h"
#include "probe.h"
#include "say.h"

/* Open files fewer than this may be a limit in practice. Source: 1000 executions with 8 open each. */
#define DOCTOR_NOFILE_MIN 8192

#define DOCTOR_STORE_DEFAULT "/var/lib"

static const char *const level_name[LEVEL_MAX_] = {
	[LEVEL_OK] = "ok",
	[LEVEL_WARN] = "warn",
	[LEVEL_FAIL] = "fail",
};

void doctor_report(struct doctor *d, const char *check, enum level level, const char *costs,
		   const char *cure, const char *fmt, ...)
{
	char found[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(d->checks,
				    json_pack("{s:s, s:s, s:o, s:s, s:s}", "check", check, "level",
					      level_name[level], "found", client_json_bytes(found),
					      "costs", costs, "cure", cure));
	d->worst = MAX_OF(d->worst, level);
}

/* What is essential to a mount yet to be made. */
static enum level essential(const struct doctor *d)
{
	return d->answered ? LEVEL_WARN : LEVEL_FAIL;
}

static void check_device(struct doctor *d)
{
	static const char name[] = "/dev/fuse";
	static const char costs[] = "nothing can be mounted from here";
	int r = probe_fuse_device();

	if (r == 0)
		doctor_well(d, name, "there, and can be opened");
	else if (r == -EACCES || r == -EPERM)
		doctor_report(
			d, name, essential(d), costs,
			"run as root; in a container, allow the device: docker run --device /dev/fuse",
			"%s", strerror(-r));
	else
		doctor_report(d, name, essential(d), costs,
			      "modprobe fuse; in a container: docker run --device /dev/fuse", "%s",
			      strerror(-r));
}

static void check_kernel(struct doctor *d)
{
	static const char costs[] =
		"every byte passes through the daemon: correct, but slower, and no huge pages "
		"for the reader";
	struct probe_kernel k;
	char config[16];

	if (probe_kernel(&k) < 0) {
		doctor_report(d, "kernel", LEVEL_WARN, costs, "Linux 6.9 or later",
			      "version unknown");
		return;
	}
	if (k.major < 6 || (k.major == 6 && k.minor < 9))
		doctor_report(
			d, "kernel", LEVEL_WARN, costs,
			"Linux 6.9 or later (Debian 13, Ubuntu 24.10; from bookworm-backports on Debian 12, "
			"linux-generic-hwe-24.04 on Ubuntu 24.04)",
			"%s has no FUSE passthrough", k.release);
	else if (probe_kernel_config(&k, "CONFIG_FUSE_FS", config, sizeof(config)) == 0 &&
		 probe_kernel_config(&k, "CONFIG_FUSE_PASSTHROUGH", config, sizeof(config)) < 0)
		doctor_report(d, "kernel", LEVEL_WARN, costs,
			      "a kernel built with CONFIG_FUSE_PASSTHROUGH=y",
			      "%s was built without FUSE passthrough", k.release);
	else
		doctor_report(d, "kernel", LEVEL_OK, "", "",
			      "%s, new enough for FUSE passthrough (6.9)", k.release);
}

static void check_privilege(struct doctor *d)
{
	static const char name[] = "CAP_SYS_ADMIN";

	if (probe_cap_sys_admin())
		doctor_well(d, name, "held by this process");
	else
		doctor_report(
			d, name, LEVEL_WARN,
			"a daemon started like this cannot mount, nor use passthrough",
			"run the daemon as root (`sudo baton doctor` checks for it); in a container: "
			"docker run --cap-add SYS_ADMIN",
			"not held by this process; using a mount does not need it");
}

static void check_surroundings(struct doctor *d)
{
	static const char name[] = "namespaces";
	const char *container = probe_container();

	if (probe_user_namespace())
		doctor_report(d, name, LEVEL_WARN,
			      "a daemon started here gets no passthrough: the kernel gives it only "
			      "to the initial user namespace",
			      "run the daemon on the host and hand the mount into the container",
			      "in a user namespace%s%s", container ? ", container: " : "",
			      container ? container : "");
	else if (container)
		doctor_report(
			d, name, LEVEL_WARN,
			"a mount made here is seen by other containers only if it propagates",
			"mount on a volume with propagation: docker -v /data:/data:rshared, Kubernetes "
			"mountPropagation: Bidirectional",
			"in a container (%s)", container);
	else
		doctor_well(d, name, "no container, initial user namespace");
}

static void check_huge_pages(struct doctor *d)
{
	static const char name[] = "huge pages";
	static const char costs[] = "readers of a memory store map 4 KiB pages: more page faults";
	char setting[32];
	int r = probe_shmem_huge(setting, sizeof(setting));

	if (r < 0)
		doctor_report(d, name, LEVEL_WARN, costs,
			      "a kernel built with CONFIG_TRANSPARENT_HUGEPAGE=y",
			      "this kernel has none for memory files");
	else if (strcmp(setting, "deny") == 0)
		doctor_report(
			d, name, LEVEL_WARN, costs,
			"echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled (only `deny` forbids them "
			"to a mount that asks)",
			"forbidden for memory files (shmem_enabled is `deny`)");
	else
		doctor_report(d, name, LEVEL_OK, "", "",
			      "available to memory stores (shmem_enabled is `%s`)", setting);
}

static void check_open_files(struct doctor *d)
{
	static const char name[] = "open files";
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0) {
		doctor_report(d, name, LEVEL_WARN, "", "", "%s", strerror(errno));
		return;
	}
	if (lim.rlim_max == RLIM_INFINITY || lim.rlim_max >= DOCTOR_NOFILE_MIN)
		doctor_report(d, name, LEVEL_OK, "", "",
			      "hard limit %ju: files open at once, not files",
			      (uintmax_t)lim.rlim_max);
	else
		doctor_report(
			d, name, LEVEL_WARN,
			"opening more files than that at once, by all programs together, fails",
			"LimitNOFILE= in the unit, or docker run --ulimit nofile=1048576",
			"hard limit %ju", (uintmax_t)lim.rlim_max);
}

static void (*const checks[])(struct doctor *d) = {
	check_device,	    check_kernel,	 doctor_check_uring,
	check_privilege,    check_surroundings,	 doctor_check_propagation,
	check_huge_pages,   doctor_check_memory, check_open_files,
	doctor_check_store, doctor_check_mounts,
};

static void print_checks(const json_t *results)
{
	const json_t *c;
	size_t i;

	json_array_foreach(results, i, c)
	{
		(void)printf("%-4s  %-13s  %s\n", field_text(c, "level"), field_text(c, "check"),
			     field_text(c, "found"));
		if (*field_text(c, "costs"))
			(void)printf("%-4s  %-13s  costs: %s\n", "", "", field_text(c, "costs"));
		if (*field_text(c, "cure"))
			(void)printf("%-4s  %-13s  cure:  %s\n", "", "", field_text(c, "cure"));
	}
}

static void doctor_done(struct doctor *d)
{
	mountpoint_list_done(&d->mounts);
	free(d->asked);
	json_decref(d->checks);
}

enum baton_exit cmd_doctor(const struct invocation *inv)
{
	_cleanup_(doctor_done) struct doctor d = {
		.store = inv->argc > 0 ? inv->argv[0] : DOCTOR_STORE_DEFAULT,
		.checks = json_array(),
	};
	_cleanup_json_ json_t *answer = NULL;

	if (!d.checks || doctor_ask_mounts(&d, inv->mount_arg) < 0) {
		say_error("doctor: %s", strerror(ENOMEM));
		return BATON_FAILED;
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&d);

	if (inv->json) {
		answer = json_pack("{s:b, s:O}", "ok", d.worst < LEVEL_FAIL, "checks", d.checks);
		client_print_json(answer);
	} else {
		print_checks(d.checks);
	}
	return d.worst < LEVEL_FAIL ? BATON_OK : BATON_FAILED;
}
