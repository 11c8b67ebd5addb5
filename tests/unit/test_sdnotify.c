/* SPDX-License-Identifier: MIT */
/*
 * The service manager's side of sd_notify(3).
 */
#include "util/sdnotify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "scratch.h"

/* A socket at `path`; "@..." is abstract. */
static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
	return fd;
}

static void assert_received(int fd, const char *expected)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, expected);
}

START_TEST(state_arrives_at_a_path)
{
	_cleanup_close_ int fd = -1;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/notify", scratch.path);
	fd = listen_at(path);
	sdnotify("READY=1\nSTATUS=mounted");
	assert_received(fd, "READY=1\nSTATUS=mounted");
}
END_TEST

START_TEST(state_arrives_at_an_abstract_socket)
{
	_cleanup_close_ int fd = -1;
	char path[128];

	(void)snprintf(path, sizeof(path), "@batonfs-test-%d", (int)getpid());
	fd = listen_at(path);
	sdnotify("STOPPING=1");
	assert_received(fd, "STOPPING=1");
}
END_TEST

START_TEST(nobody_asked_is_fine)
{
	static const char *const paths[] = { "", "/", "@", "relative", "/nowhere/at/all" };
	char longest[200];
	int before = count_fds();

	(void)unsetenv("NOTIFY_SOCKET");
	sdnotify("READY=1");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		ck_assert_int_eq(setenv("NOTIFY_SOCKET", paths[i], 1), 0);
		sdnotify("READY=1");
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", longest, 1), 0);
	sdnotify("READY=1");
	ck_assert_int_eq(count_fds(), before);
}
END_TEST

static void teardown(void)
{
	(void)unsetenv("NOTIFY_SOCKET");
	scratch_teardown();
}

int main(void)
{
	const TTest *const tests[] = {
		state_arrives_at_a_path,
		state_arrives_at_an_abstract_socket,
		nobody_asked_is_fine,
	};

	return RUN_TESTS("sdnotify", tests, scratch_setup, teardown);
}
