/* SPDX-License-Identifier: MIT */
/*
 * Depth first, without recursion: directories still to be read wait on a stack as handles, so depth costs
 * memory and no descriptors.
 */
#include "store/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "util/cleanup.h"
#include "util/dir.h"

struct pending {
	struct handle handle;
	uint64_t tag;
};

struct stack {
	struct pending *items; /* owned */
	size_t n;
	size_t room;
};

static void stack_done(struct stack *s)
{
	free(s->items);
}

static int stack_push(struct stack *s, const struct handle *h, uint64_t tag)
{
	if (s->n == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct pending *grown = reallocarray(s->items, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->items = grown;
		s->room = room;
	}
	s->items[s->n++] = (struct pending){ .handle = *h, .tag = tag };
	return 0;
}

typedef int each_fn(void *arg, const struct walk_entry *e, uint64_t *ret_tag);

/* todo: where directories go; NULL: nowhere. */
static int visit(DIR *dir, const char *name, uint64_t tag, struct stack *todo, each_fn *each,
		 void *arg)
{
	struct handle h;
	struct stat st;
	uint64_t child_tag = tag;
	struct walk_entry e = {
		.name = name,
		.dirfd = dirfd(dir),
		.st = &st,
		.handle = &h,
		.tag = tag,
	};
	int r;

	if (fstatat(e.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = handle_at(e.dirfd, name, &h);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = each(arg, &e, &child_tag);
	if (r < 0)
		return r;
	return todo && S_ISDIR(st.st_mode) ? stack_push(todo, &h, child_tag) : 0;
}

static int visit_all(int mount_fd, const struct pending *p, struct stack *todo, each_fn *each,
		     void *arg)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	int fd = handle_open(mount_fd, &p->handle, O_RDONLY | O_DIRECTORY | O_NOATIME);
	int r;

	if (fd == -ESTALE || fd == -ENOENT)
		return 0; /* removed meanwhile */
	if (fd < 0)
		return fd;
	r = dir_from_fd(fd, &dir);
	while (r == 0 && (errno = 0, d = readdir(dir))) {
		if (!dir_is_dot(d->d_name))
			r = visit(dir, d->d_name, p->tag, todo, each, arg);
	}
	return r == 0 && errno ? -errno : r;
}

int walk(int mount_fd, const struct handle *h, uint64_t tag, each_fn *each, void *arg)
{
	_cleanup_(stack_done) struct stack todo = { 0 };
	int r = stack_push(&todo, h, tag);

	while (r == 0 && todo.n > 0) {
		struct pending p = todo.items[--todo.n];

		r = visit_all(mount_fd, &p, &todo, each, arg);
	}
	return r;
}

int walk_names(int mount_fd, const struct handle *h, each_fn *each, void *arg)
{
	struct pending p = { .handle = *h };

	return visit_all(mount_fd, &p, NULL, each, arg);
}
