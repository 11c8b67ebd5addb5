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

/* Whether a leaves less of itself than b, without floating point: both are below 2^62. */
static bool is_tighter(const struct memcg_use *a, const struct memcg_use *b)
{
	if (b->limit_bytes == UINT64_MAX)
		return true;
	return ((unsigned __int128)a->used_bytes) * b->limit_bytes >
	       ((unsigned __int128)b->used_bytes) * a->limit_bytes;
}

void memcg_tightest_below(const char *top, const char *group, const char *limit_file,
			  const char *used_file, struct memcg_use *ret)
{
	char dir[PATH_MAX];
	char *end = dir + strlen(top);

	*ret = (struct memcg_use){ .limit_bytes = UINT64_MAX };
	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", top, group) >= sizeof(dir))
		return;
	for (;;) {
		struct memcg_use use = { .limit_bytes = read_number(dir, limit_file) };
		char *slash = strrchr(end, '/');

		use.used_bytes =
			use.limit_bytes == UINT64_MAX ? UINT64_MAX : read_number(dir, used_file);
		if (use.used_bytes != UINT64_MAX && is_tighter(&use, ret))
			*ret = use;
		if (!slash)
			return;
		*slash = '\0';
	}
}

void memcg_tightest(struct memcg_use *ret)
{
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
			memcg_tightest_below(V2_TOP, path, "memory.max", "memory.current", &use);
		else if (strcmp(controllers + 1, "memory") == 0)
			memcg_tightest_below(V1_TOP, path, "memory.limit_in_bytes",
					     "memory.usage_in_bytes", &use);
		if (use.limit_bytes != UINT64_MAX && is_tighter(&use, ret))
			*ret = use;
	}
}

bool memcg_has_room(const struct memcg_use *use, uint64_t bytes)
{
	uint64_t allowed = use->limit_bytes - use->limit_bytes / 4;

	if (use->limit_bytes == UINT64_MAX)
		return true;
	return use->used_bytes <= allowed && bytes <= allowed - use->used_bytes;
}
