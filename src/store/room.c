/* SPDX-License-Identifier: MIT */
/*
 * Room. Everything is derived from struct room_part: "used" and "total" of what can run out.
 */
#include "store/room.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/memcg.h"
#include "util/parse.h"

static void look_at_memory(struct room *room)
{
	struct memcg_use use;

	memcg_tightest_hard(&use);
	if (use.limit_bytes != UINT64_MAX)
		room->memory =
			(struct room_part){ .used = use.used_bytes, .total = use.limit_bytes };
}

int room_look(const struct store *st, struct room *ret)
{
	struct room room = { 0 };
	struct statvfs sv;

	if (fstatvfs(st->fd, &sv) < 0)
		return -errno;
	room.bytes.used = (sv.f_blocks - sv.f_bfree) * sv.f_frsize;
	room.bytes.total = room.bytes.used + sv.f_bavail * sv.f_frsize;
	if (sv.f_files > 0) { /* btrfs makes them as needed */
		room.inodes.used = sv.f_files - sv.f_ffree;
		room.inodes.total = room.inodes.used + sv.f_favail;
	}
	if (strcmp(st->filesystem, "tmpfs") == 0)
		look_at_memory(&room);
	*ret = room;
	return 0;
}

int room_parse_mark(const char *s, struct room_mark *ret)
{
	struct room_mark m = { 0 };
	uint64_t thousandths;
	int r;

	if (strcmp(s, "never") == 0) {
		*ret = m;
		return 0;
	}
	if (!strchr(s, '%')) {
		r = parse_size(s, &m.free_bytes);
		if (r == 0 && m.free_bytes <= 100) /* 0, or a percentage whose sign was forgotten */
			r = -ERANGE;
	} else {
		r = parse_share(s, 100000, &thousandths);
		m.percent = (double)thousandths / 1000;
		if (r == 0 && (m.percent <= 0 || m.percent > 99.9)) /* 100% is "never" */
			r = -ERANGE;
	}
	if (r < 0)
		return r;
	*ret = m;
	return 0;
}

const char *room_format_mark(const struct room_mark *m, char *buf, size_t len)
{
	char size[32];

	if (m->percent > 0)
		(void)snprintf(buf, len, "%.4g%%", m->percent);
	else if (m->free_bytes > 0)
		(void)snprintf(buf, len, "%s", format_size(m->free_bytes, size, sizeof(size)));
	else
		(void)snprintf(buf, len, "never");
	return buf;
}

bool room_mark_is_set(const struct room_mark *m)
{
	return m->percent > 0 || m->free_bytes > 0;
}

struct room_mark room_default_low(const struct room_mark *high)
{
	return (struct room_mark){
		.percent = high->percent * 5 / 6,
		.free_bytes = high->free_bytes > UINT64_MAX / 2 ? UINT64_MAX : high->free_bytes * 2,
	};
}

/* The most that may be used. */
static uint64_t allowed(uint64_t total, const struct room_mark *m)
{
	if (m->percent > 0)
		return (uint64_t)((double)total * m->percent / 100);
	return total - MIN_OF(m->free_bytes, total);
}

bool room_marks_fit(const struct room_mark *high, const struct room_mark *low, uint64_t total_bytes)
{
	return allowed(total_bytes, low) < allowed(total_bytes, high);
}

static uint64_t excess(const struct room_part *p, const struct room_mark *m)
{
	uint64_t most = allowed(p->total, m);

	return p->total > 0 && p->used > most ? p->used - most : 0;
}

void room_excess(const struct room *room, const struct room_mark *m, struct room_excess *ret)
{
	*ret = (struct room_excess){ 0 };
	if (!room_mark_is_set(m))
		return;
	ret->bytes = MAX_OF(excess(&room->bytes, m), excess(&room->memory, m));
	if (m->percent > 0)
		ret->inodes = excess(&room->inodes, m);
}

static uint64_t left(const struct room_part *p, const struct room_mark *m)
{
	uint64_t most = allowed(p->total, m);

	return p->total == 0 ? UINT64_MAX : most > p->used ? most - p->used : 0;
}

uint64_t room_left_bytes(const struct room *room, const struct room_mark *m)
{
	if (!room_mark_is_set(m))
		return UINT64_MAX;
	return MIN_OF(left(&room->bytes, m), left(&room->memory, m));
}
