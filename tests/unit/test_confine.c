/* SPDX-License-Identifier: MIT */
/*
 * What a confined process can do, and what not. It belongs to the executable, not to a library: its source is
 * included.
 */
#include "../../src/confine.c"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/utsname.h>

#include "scratch.h"
#include "store/cred.h"
#include "store/handle.h"

static bool is_denied(long r)
{
	return r == -1 && errno == EPERM;
}

/* "CapEff:\t" and the like of this thread; 0 if it is not there. */
static uint64_t status_of(const char *key)
{
	char line[256];
	uint64_t value = 0;
	FILE *f = fopen("/proc/thread-self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, 16);
	}
	if (f)
		(void)fclose(f);
	return value;
}

static int rights(void)
{
	struct cred c;
	struct handle h;
	uint64_t had = status_of("CapPrm:");

	CHILD_ASSERT(confine_rights() == 0);
	CHILD_ASSERT(status_of("CapEff:") == (had & needed_mask()));
	CHILD_ASSERT(status_of("CapPrm:") == (had & needed_mask()));
	CHILD_ASSERT((status_of("CapBnd:") & ~needed_mask()) == 0);
	CHILD_ASSERT(status_of("CapInh:") == 0 && status_of("CapAmb:") == 0);
	CHILD_ASSERT(status_of("NoNewPrivs:") == 1);
	CHILD_ASSERT(is_denied(socket(AF_INET, SOCK_RAW, 1))); /* CAP_NET_RAW */
	/* what a thread of the front does all the same */
	CHILD_ASSERT(cred_thread_init(&c) == 0);
	cred_assume(&c, 1000, 1000, 022);
	CHILD_ASSERT(handle_at(scratch.fd, "file", &h) == 0);
	CHILD_ASSERT(fchownat(scratch.fd, "file", 1, 2, 0) == 0);
	CHILD_ASSERT(status_of("CapEff:") == (had & needed_mask()));
	return confine_rights() == 0 ? 0 : 1; /* there is no more to give up: for an upgrade */
}

START_TEST(rights_that_are_not_needed_are_given_up)
{
	in_child(rights);
}
END_TEST

static void *see_filter(void *arg)
{
	*(uint64_t *)arg = status_of("Seccomp:");
	return NULL;
}

static void *wait_and_see_filter(void *arg)
{
	_Atomic int *stage = arg;

	while (atomic_load(stage) == 0)
		(void)poll(NULL, 0, 1);
	return (void *)(uintptr_t)status_of("Seccomp:");
}

static int calls(void)
{
	static char *const nothing[] = { NULL };
	static _Atomic int stage;
	struct utsname name;
	pthread_t thread;
	uint64_t seen = 0;
	void *before;
	int fd;

	CHILD_ASSERT(pthread_create(&thread, NULL, wait_and_see_filter, &stage) == 0);
	CHILD_ASSERT(confine_rights() == 0 && confine_calls() == 0);
	atomic_store(&stage, 1);
	CHILD_ASSERT(pthread_join(thread, &before) == 0 && (uintptr_t)before == 2);
	CHILD_ASSERT(pthread_create(&thread, NULL, see_filter, &seen) == 0);
	CHILD_ASSERT(pthread_join(thread, NULL) == 0 && seen == 2);

	CHILD_ASSERT(is_denied(execve("/bin/true", nothing, nothing)));
	CHILD_ASSERT(is_denied(fork()));
	CHILD_ASSERT(is_denied(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	CHILD_ASSERT(is_denied(mount("none", "/mnt", "tmpfs", 0, NULL)));
	CHILD_ASSERT(is_denied(unshare(CLONE_NEWUSER)));
	CHILD_ASSERT(is_denied(socket(AF_INET, SOCK_STREAM, 0)));
	CHILD_ASSERT(is_denied(kill(getppid(), 0)));
	CHILD_ASSERT(is_denied(syscall(SYS_tgkill, getppid(), getppid(), 0)));
	CHILD_ASSERT(is_denied(syscall(SYS_bpf, 0, NULL, 0)));
	CHILD_ASSERT(is_denied(prctl(PR_SET_DUMPABLE, 1)));
	CHILD_ASSERT(is_denied(ioctl(0, 0x5412 /* TIOCSTI */, "x")));
	CHILD_ASSERT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			     MAP_FAILED &&
		     errno == EPERM);

	fd = openat(scratch.fd, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHILD_ASSERT(fd >= 0 && write(fd, "x", 1) == 1 && fchmod(fd, 0644) == 0 && close(fd) == 0);
	CHILD_ASSERT(uname(&name) == 0 && unshare(CLONE_FS) == 0);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHILD_ASSERT(fd >= 0 && close(fd) == 0);
	return 0;
}

START_TEST(calls_that_are_not_needed_fail)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	ck_assert_int_eq(confine_calls(), -EOPNOTSUPP);
	(void)calls;
#else
	in_child(calls);
#endif
}
END_TEST

static int http(void)
{
	int fd;

	CHILD_ASSERT(chdir(scratch.path) == 0);
	CHILD_ASSERT(confine_to_nobody() == 0);
	CHILD_ASSERT(geteuid() == NOBODY && getuid() == NOBODY && getgid() == NOBODY);
	CHILD_ASSERT(getgroups(0, NULL) == 0);
	CHILD_ASSERT(status_of("CapPrm:") == 0 && status_of("CapEff:") == 0);
	CHILD_ASSERT(status_of("CapBnd:") == 0 && status_of("CapAmb:") == 0);
	CHILD_ASSERT(status_of("NoNewPrivs:") == 1);
	CHILD_ASSERT(setresuid(0, 0, 0) < 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	CHILD_ASSERT(confine_http_calls() == 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHILD_ASSERT(fd >= 0 && read(fd, &fd, 1) == 0 && close(fd) == 0);
	CHILD_ASSERT(is_denied(open("/dev/null", O_WRONLY | O_CLOEXEC)));
	CHILD_ASSERT(is_denied(open("/tmp/none", O_RDONLY | O_CREAT | O_CLOEXEC, 0600)));
	CHILD_ASSERT(is_denied(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
	CHILD_ASSERT(is_denied(socket(AF_INET, SOCK_STREAM, 0)));
	CHILD_ASSERT(is_denied(fork()));
	CHILD_ASSERT(is_denied(kill(getppid(), 0)));
	CHILD_ASSERT(is_denied(chdir("/")));
#else
	(void)fd;
#endif
	return 0;
}

START_TEST(who_serves_http_can_do_little)
{
	in_child(http);
}
END_TEST

static void setup(void)
{
	scratch_setup();
	add_file(scratch.fd, "file", "");
}

int main(void)
{
	const TTest *const tests[] = {
		rights_that_are_not_needed_are_given_up,
		calls_that_are_not_needed_fail,
		who_serves_http_can_do_little,
	};

	return RUN_TESTS("confine", tests, setup, scratch_teardown);
}
