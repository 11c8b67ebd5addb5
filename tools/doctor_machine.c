/* SPDX-License-Identifier: MIT */
/*
 * What is good to know of kernel and machine before the first mount, beside what is essential.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "doctor.h"
#include "probe.h"
#include "say.h"
#include "util/parse.h"

/* A memory store below this is full after a few hand-offs. Source: two executions of 100 MB and their readers. */
#define MEMORY_FEW (UINT64_C(512) << 20)

void doctor_check_uring(struct doctor *d)
{
	static const char name[] = "io_uring";
	char setting[16];

	if (probe_setting("/sys/module/fuse/parameters/enable_uring", setting, sizeof(setting)) < 0)
		doctor_well(d, name, "this kernel's FUSE has none; batonfs does without");
	else
		doctor_report(d, name, LEVEL_OK, "", "",
			      "this kernel's FUSE has it (%s); batonfs does without, on purpose",
			      setting[0] == 'Y' ? "on" : "off");
}

/* The limit of the memory cgroup that this process is in; UINT64_MAX if there is none to be seen. */
static uint64_t memory_limit(void)
{
	char file[512] = "", text[32];
	char group[400];
	uint64_t limit;

	if (probe_setting_of("/proc/self/cgroup", "0::", group, sizeof(group)) == 0)
		(void)snprintf(file, sizeof(file), "/sys/fs/cgroup%s/memory.max", group);
	if (probe_setting(file, text, sizeof(text)) < 0 &&
	    probe_setting("/sys/fs/cgroup/memory.max", text, sizeof(text)) < 0)
		return UINT64_MAX;
	return parse_u64(text, &limit) == 0 ? limit : UINT64_MAX; /* "max" */
}

void doctor_check_memory(struct doctor *d)
{
	static const char name[] = "memory";
	uint64_t limit = memory_limit();
	uint64_t whole = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char limit_text[SAY_MAX], whole_text[SAY_MAX];

	format_size(whole, whole_text, sizeof(whole_text));
	format_size(limit, limit_text, sizeof(limit_text));
	if (limit < MEMORY_FEW)
		doctor_report(
			d, name, LEVEL_WARN,
			"writers into a memory store are killed when they reach the limit",
			"a larger limit (MemoryMax=, docker run --memory), or a directory as the store",
			"this process may use %s of %s: its control group's limit", limit_text,
			whole_text);
	else if (limit < whole)
		doctor_report(d, name, LEVEL_OK, "", "",
			      "this process may use %s of %s: its control group's limit",
			      limit_text, whole_text);
	else
		doctor_report(d, name, LEVEL_OK, "", "", "%s, and no limit of a control group",
			      whole_text);
}

/* Do mounts made below "/" reach other mount namespaces, such as those of containers started later? */
void doctor_check_propagation(struct doctor *d)
{
	static const char name[] = "propagation";
	int r = probe_shared_root();

	if (r == 1)
		doctor_well(d, name,
			    "/ is shared: containers with rslave or rshared see new mounts");
	else if (r == 0)
		doctor_report(d, name, LEVEL_WARN,
			      "containers that run already do not see a mount made here",
			      "mount --make-rshared /, before the containers start",
			      "/ is not shared with other mount namespaces");
	else
		doctor_report(d, name, LEVEL_WARN, "", "", "cannot be read: %s", strerror(-r));
}
