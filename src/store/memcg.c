/* SPDX-License-Identifier: MIT */
/*
 * Memory control groups, versions 1 and 2.
 */
#include "store/memcg.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/parse.h"

#define V2_TOP "/sys/fs/cgroup"
#define V1_TOP "/sys/fs/cgroup/memory"

/* Version 1 has no word for "no limit" but the largest number of whole pages. */
#define V1_UNLIMITED (UINT64_C(1) << 62)

/* A number in a file; UINT64_MAX for "max", and where there is none. */
static uint64_t read_number(const char *dir, const char *name)
{
	char path[PATH_MAX];
	char text[32];
	_cleanup_fclose_ FILE *f = NULL;
	uint64_t n;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return UINT64_MAX;
	f = fopen(path, "re");
	if (!f || !fgets(text, sizeof(text), f))
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &n) < 0 || n >= V1_UNLIMITED ? UINT64_MAX : n;
}

/* What the names of a version's files are. */
struct memcg_files {
	const char *limit;
	const char *used;
	const char *
		stat_prefix; /* of what counts the groups below, too; NULL: memory.stat is not wanted */
};

/* A line of memory.stat, "NAME VALUE", if it is NAME's; else 0. */
static uint64_t stat_value(const char *line, const char *prefix, const char *name)
{
	size_t n = strlen(prefix);
	size_t len = strlen(name);
	char text[32];
	uint64_t value;

	if (strncmp(line, prefix, n) != 0 || strncmp(line + n, name, len) != 0 ||
	    line[n + len] != ' ')
		return 0;
	(void)snprintf(text, sizeof(text), "%s", line + n + len + 1);
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, &value) < 0 ? 0 : value;
}

/* Page cache of files on disk is dropped before anything fails; pages of a tmpfs are not. */
static void read_stat(const char *dir, const char *prefix, struct memcg_use *use)
{
	char path[PATH_MAX];
	char line[128];
	_cleanup_fclose_ FILE *f = NULL;
	uint64_t droppable = 0;

	if ((size_t)snprintf(path, sizeof(path), "%s/memory.stat", dir) >= sizeof(path))
		return;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		droppable += stat_value(line, prefix, "inactive_file");
		droppable += stat_value(line, prefix, "active_file");
		use->shmem_bytes += stat_value(line, prefix, "shmem");
	}
	use->used_bytes -= MIN_OF(droppable, use->used_bytes);
}

/* Whether a leaves less of itself than b, without floating point: both are below 2^62. */
static bool is_tighter(const struct memcg_use *a, const struct memcg_use *b)
{
	if (b->limit_bytes == UINT64_MAX)
		return true;
	return ((unsigned __int128)a->used_bytes) * b->limit_bytes >
	       ((unsigned __int128)b->used_bytes) * a->limit_bytes;
}

static void tightest_below(const char *top, const char *group, const struct memcg_files *files,
			   struct memcg_use *ret)
{
	char dir[PATH_MAX];
	char *end = dir + strlen(top);

	*ret = (struct memcg_use){ .limit_bytes = UINT64_MAX };
	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", top, group) >= sizeof(dir))
		return;
	for (;;) {
		struct memcg_use use = { .limit_bytes = read_number(dir, files->limit) };
		char *slash = strrchr(end, '/');

		use.used_bytes =
			use.limit_bytes == UINT64_MAX ? UINT64_MAX : read_number(dir, files->used);
		if (use.used_bytes != UINT64_MAX && files->stat_prefix)
			read_stat(dir, files->stat_prefix, &use);
		if (use.used_bytes != UINT64_MAX && is_tighter(&use, ret) &&
		    (!files->stat_prefix || use.shmem_bytes > 0))
			*ret = use;
		if (!slash)
			return;
		*slash = '\0';
	}
}

void memcg_tightest_below(const char *top, const char *group, const char *limit_file,
			  const char *used_file, const char *stat_prefix, struct memcg_use *ret)
{
	struct memcg_files files = { limit_file, used_file, stat_prefix };

	tightest_below(top, group, &files, ret);
}

static void tightest(bool hard, struct memcg_use *ret)
{
	const struct memcg_files v2 = { "memory.max", "memory.current", hard ? "" : NULL };
	const struct memcg_files v1 = { "memory.limit_in_bytes", "memory.usage_in_bytes",
					hard ? "total_" : NULL };
	_cleanup_fclose_ FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	struct memcg_use use;

	*ret = (struct memcg_use){ .limit_bytes = UINT64_MAX };
	/* ID:CONTROLLERS:PATH; no controllers: version 2. In a container the path is "/". */
	while (f && fgets(line, sizeof(line), f)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		use.limit_bytes = UINT64_MAX;
		if (!controllers[1])
			tightest_below(V2_TOP, path, &v2, &use);
		else if (strcmp(controllers + 1, "memory") == 0)
			tightest_below(V1_TOP, path, &v1, &use);
		if (use.limit_bytes != UINT64_MAX && is_tighter(&use, ret))
			*ret = use;
	}
}

void memcg_tightest(struct memcg_use *ret)
{
	tightest(false, ret);
}

void memcg_tightest_hard(struct memcg_use *ret)
{
	tightest(true, ret);
}

bool memcg_has_room(const struct memcg_use *use, uint64_t bytes)
{
	uint64_t allowed = use->limit_bytes - use->limit_bytes / 4;

	if (use->limit_bytes == UINT64_MAX)
		return true;
	return use->used_bytes <= allowed && bytes <= allowed - use->used_bytes;
}
