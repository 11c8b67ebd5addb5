/* SPDX-License-Identifier: MIT */
/*
 * Each fact is read from where the kernel says it; no child process is run.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fstype.h"

/* Source: include/uapi/linux/capability.h */
#define CAP_SYS_ADMIN_BIT 21

int probe_fuse_device(void)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* The rest of the first line of `file` that begins with `key`, without its newline. */
static int find_line(const char *file, const char *key, char *buf, size_t len)
{
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) >= 0) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		(void)snprintf(buf, len, "%s", line + strlen(key));
		return 0;
	}
	return -ENOENT;
}

int probe_kernel(struct probe_kernel *ret)
{
	struct probe_kernel k = { 0 };
	struct utsname u;
	char *end;

	if (uname(&u) < 0)
		return -errno;
	k.major = (unsigned int)strtoul(u.release, &end, 10);
	if (end == u.release || *end != '.')
		return -EINVAL;
	k.minor = (unsigned int)strtoul(end + 1, NULL, 10);
	(void)snprintf(k.release, sizeof(k.release), "%s", u.release);
	*ret = k;
	return 0;
}

int probe_kernel_config(const struct probe_kernel *k, const char *key, char *buf, size_t len)
{
	char file[96], start[96];

	(void)snprintf(file, sizeof(file), "/boot/config-%s", k->release);
	(void)snprintf(start, sizeof(start), "%s=", key);
	return find_line(file, start, buf, len);
}

int probe_setting(const char *file, char *buf, size_t len)
{
	return find_line(file, "", buf, len);
}

int probe_setting_of(const char *file, const char *key, char *buf, size_t len)
{
	return find_line(file, key, buf, len);
}

int probe_shared_root(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	int shared = 0;

	if (!f)
		return -errno;
	while (getline(&line, &room, f) >= 0) {
		char *end = strstr(line, " - "); /* of the optional fields, see proc(5) */
		char at[4096];

		if (!end || sscanf(line, "%*s %*s %*s %*s %4095s", at) != 1 || strcmp(at, "/") != 0)
			continue;
		*end = '\0';
		shared =
			strstr(line, " shared:") != NULL; /* the last one is the one that is seen */
	}
	return shared;
}

bool probe_cap_sys_admin(void)
{
	char text[64];

	if (find_line("/proc/self/status", "CapEff:", text, sizeof(text)) < 0)
		return geteuid() == 0;
	return strtoull(text, NULL, 16) >> CAP_SYS_ADMIN_BIT & 1;
}

bool probe_user_namespace(void)
{
	static const unsigned long initial[] = { 0, 0, 4294967295ul }; /* inside, outside, count */
	char text[80] = "";
	char *p = text;

	if (find_line("/proc/self/uid_map", "", text, sizeof(text)) == -ENOENT)
		return false; /* a kernel without user namespaces */
	for (size_t i = 0; i < ARRAY_SIZE(initial); i++) {
		if (strtoul(p, &p, 10) != initial[i])
			return true;
	}
	return false;
}

const char *probe_container(void)
{
	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	if (access("/run/.containerenv", F_OK) == 0)
		return "podman";
	if (access("/.dockerenv", F_OK) == 0)
		return "docker";
	return getenv("container");
}

int probe_shmem_huge(char *buf, size_t len)
{
	char text[160];
	char *begin;
	int r = find_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "", text,
			  sizeof(text));

	if (r < 0)
		return r;
	begin = strchr(text, '[');
	if (!begin)
		return -ENOENT;
	begin++;
	begin[strcspn(begin, "]")] = '\0';
	(void)snprintf(buf, len, "%s", begin);
	return 0;
}

int probe_filesystem(const char *dir, char *buf, size_t len)
{
	const char *name;
	struct statfs s;

	if (statfs(dir, &s) < 0)
		return -errno;
	name = fstype_name((long)s.f_type);
	if (name)
		(void)snprintf(buf, len, "%s", name);
	else
		(void)snprintf(buf, len, "type 0x%lx", (unsigned long)s.f_type);
	return 0;
}

int probe_handles(const char *dir)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	return name_to_handle_at(AT_FDCWD, dir, &h.handle, &mount_id, 0) < 0 ? -errno : 0;
}
