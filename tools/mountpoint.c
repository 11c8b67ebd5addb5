/* SPDX-License-Identifier: MIT */
/*
 * A line of mountinfo, see proc(5):
 *
 *     36 35 0:98 / /data/tmp rw,nosuid shared:5 master:1 - fuse.batonfs memory rw,allow_other
 *     id parent device root mountpoint options [tags...] - type source options
 */
#include "mountpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "baton/interface.h"
#include "say.h"

/* "\040" becomes a blank, in place. The kernel writes blank, tab, newline and backslash so, and never "\000". */
static void decode_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7' && strncmp(s, "\\000", 4) != 0) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Take a line apart, in place. Returns whether it is a batonfs seen from its root. */
static bool parse_line(char *line, char **ret_device, char **ret_path)
{
	char *field[5];
	char *save = NULL;
	char *word = strtok_r(line, " \n", &save);
	const char *type;

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		if (!word)
			return false;
		field[i] = word;
		word = strtok_r(NULL, " \n", &save);
	}
	while (word && strcmp(word, "-") != 0)
		word = strtok_r(NULL, " \n", &save);
	type = strtok_r(NULL, " \n", &save);
	if (!word || !type || strcmp(type, BATON_FSTYPE) != 0 || strcmp(field[3], "/") != 0)
		return false;
	decode_octal(field[4]);
	*ret_device = field[2];
	*ret_path = field[4];
	return true;
}

static bool list_has(const struct mountpoint_list *list, const char *device)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->item[i].device, device) == 0)
			return true;
	}
	return false;
}

static int list_add(struct mountpoint_list *list, const char *device, const char *path)
{
	struct mountpoint *grown = reallocarray(list->item, list->n + 1, sizeof(*grown));
	struct mountpoint m = { 0 };

	if (!grown)
		return -ENOMEM;
	list->item = grown;
	m.device = strdup(device);
	m.path = strdup(path);
	if (!m.device || !m.path) {
		free(m.device);
		free(m.path);
		return -ENOMEM;
	}
	list->item[list->n++] = m;
	return 0;
}

int mountpoint_parse(FILE *mountinfo, struct mountpoint_list *ret)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list = { 0 };
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, mountinfo) >= 0) {
		char *device;
		char *path;

		if (!parse_line(line, &device, &path) || list_has(&list, device))
			continue;
		if (list_add(&list, device, path) < 0)
			return -ENOMEM;
	}
	*ret = list;
	list = (struct mountpoint_list){ 0 };
	return 0;
}

int mountpoint_list(struct mountpoint_list *ret)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return -errno;
	return mountpoint_parse(f, ret);
}

void mountpoint_list_done(struct mountpoint_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->item[i].path);
		free(list->item[i].device);
	}
	free(list->item);
	*list = (struct mountpoint_list){ 0 };
}

static int say_several(const struct mountpoint_list *list)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		for (size_t i = 0; i < list->n; i++)
			(void)fprintf(f, "%s%s", i ? ", " : "", list->item[i].path);
		(void)fclose(f);
	}
	say_error("%zu batonfs are mounted (%s): choose one with -m DIR or BATON_MOUNT", list->n,
		  text ? text : "");
	return -ENOTUNIQ;
}

int mountpoint_find(const char *arg, char **ret_path)
{
	_cleanup_(mountpoint_list_done) struct mountpoint_list list = { 0 };
	const char *env = getenv("BATON_MOUNT");
	int r;

	if (!arg && env && *env)
		arg = env;
	if (arg) {
		char *copy = strdup(arg);

		if (!copy)
			return -ENOMEM;
		*ret_path = copy;
		return 0;
	}

	r = mountpoint_list(&list);
	if (r < 0) {
		say_error("/proc/self/mountinfo: %s: name the mount with -m DIR", strerror(-r));
		return r;
	}
	if (list.n == 0) {
		say_error(
			"no batonfs is mounted: mount one (`batonfs memory:25%% /data/tmp`) or name it with "
			"-m DIR");
		return -ENOENT;
	}
	if (list.n > 1)
		return say_several(&list);
	*ret_path = TAKE_PTR(list.item[0].path);
	return 0;
}
