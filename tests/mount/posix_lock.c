/* SPDX-License-Identifier: MIT */
/* Locks between processes: flock, POSIX and open-file-description locks; released by close and by death. */
#include "posix.h"

#include <signal.h>
#include <sys/file.h>

enum kind {
	FLOCK,
	POSIX_,
	OFD,
	NKINDS,
};

/* Take (or give back) a lock of the whole file without waiting. 0, or -1 with errno. */
static int set_lock(int fd, enum kind kind, short type)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET };

	if (kind == FLOCK)
		return flock(fd, (type == F_WRLCK   ? LOCK_EX
				  : type == F_RDLCK ? LOCK_SH
						    : LOCK_UN) |
					 LOCK_NB);
	return fcntl(fd, kind == OFD ? F_OFD_SETLK : F_SETLK, &fl);
}

/* Whether another process could have the lock now: 1 yes, 0 no. */
static int free_for(enum kind kind, short type)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("lock", O_RDWR);

		_exit(set_lock(fd, kind, type) == 0	   ? 1
		      : errno == EAGAIN || errno == EACCES ? 0
							   : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

static void locks_exclude(enum kind kind)
{
	int fd = open("lock", O_RDWR);
	int other;

	CHECK(set_lock(fd, kind, F_WRLCK) == 0);
	CHECK_EQ(0, free_for(kind, F_RDLCK));
	CHECK_EQ(0, free_for(kind, F_WRLCK));
	CHECK(set_lock(fd, kind, F_RDLCK) == 0);
	CHECK_EQ(1, free_for(kind, F_RDLCK));
	CHECK_EQ(0, free_for(kind, F_WRLCK));
	CHECK(set_lock(fd, kind, F_UNLCK) == 0);
	CHECK_EQ(1, free_for(kind, F_WRLCK));

	CHECK(set_lock(fd, kind, F_WRLCK) == 0);
	other = dup(fd);
	CHECK(close(other) ==
	      0); /* POSIX locks go with any close of the file, the others with the last */
	CHECK_EQ(kind == POSIX_ ? 1 : 0, free_for(kind, F_WRLCK));
	CHECK(close(fd) == 0);
	CHECK_EQ(1, free_for(kind, F_WRLCK));
}

/* A child that holds the lock and says so through the pipe. */
static pid_t holder(enum kind kind, int ready)
{
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("lock", O_RDWR);

		_exit(set_lock(fd, kind, F_WRLCK) < 0 || write(ready, "", 1) != 1 || pause());
	}
	return pid;
}

static void wait_for_lock(enum kind kind)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open("lock", O_RDWR);

	if (kind == FLOCK)
		CHECK(flock(fd, LOCK_EX) == 0);
	else
		CHECK(fcntl(fd, kind == OFD ? F_OFD_SETLKW : F_SETLKW, &fl) == 0);
	CHECK(close(fd) == 0);
}

static void death_releases(enum kind kind)
{
	pid_t waiting;
	int ready[2];
	int status;
	pid_t pid;
	char c;

	CHECK(pipe(ready) == 0);
	pid = holder(kind, ready[1]);
	CHECK(read(ready[0], &c, 1) == 1);
	CHECK_EQ(0, free_for(kind, F_WRLCK));
	(void)fflush(stdout);
	waiting = fork();
	if (waiting == 0) {
		(void)alarm(20);
		wait_for_lock(kind);
		_exit(posix_status());
	}
	(void)usleep(50000);
	CHECK(waitpid(waiting, &status, WNOHANG) == 0);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	finish(waiting);
	CHECK_EQ(1, free_for(kind, F_WRLCK));
	CHECK(close(ready[0]) == 0 && close(ready[1]) == 0);
}

/* A process that waits for a lock can be killed. */
static void waiting_can_be_ended(enum kind kind)
{
	int fd = open("lock", O_RDWR);
	int status;
	pid_t pid;

	CHECK(set_lock(fd, kind, F_WRLCK) == 0);
	pid = fork();
	if (pid == 0) {
		wait_for_lock(kind);
		_exit(0);
	}
	(void)usleep(50000);
	CHECK(kill(pid, SIGKILL) == 0);
	(void)alarm(20);
	CHECK(waitpid(pid, &status, 0) == pid);
	(void)alarm(0);
	CHECK(WIFSIGNALED(status));
	CHECK(close(fd) == 0);
}

static void ranges(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 10 };
	int fd = open("lock", O_RDWR);
	int status;
	pid_t pid;

	CHECK(fcntl(fd, F_SETLK, &fl) == 0);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int own = open("lock", O_RDWR);

		fl = (struct flock){
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 110, .l_len = 10
		};
		CHECK(fcntl(own, F_SETLK, &fl) == 0);
		fl.l_start = 105;
		CHECK_ERRNO(EAGAIN, fcntl(own, F_SETLK, &fl));
		CHECK(fcntl(own, F_GETLK, &fl) == 0);
		CHECK_EQ(F_WRLCK, fl.l_type);
		CHECK_EQ(100, fl.l_start);
		CHECK_EQ(10, fl.l_len);
		CHECK_EQ(getppid(), fl.l_pid);
		(void)fflush(stdout);
		_exit(posix_status());
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQ(0, status);
	CHECK(close(fd) == 0);
}

/* flock and POSIX locks do not see each other on a local filesystem. */
static void kinds_are_independent(void)
{
	int fd = open("lock", O_RDWR);

	CHECK(set_lock(fd, FLOCK, F_WRLCK) == 0);
	CHECK_EQ(1, free_for(POSIX_, F_WRLCK));
	CHECK(set_lock(fd, OFD, F_WRLCK) == 0);
	CHECK_EQ(0, free_for(POSIX_, F_WRLCK));
	CHECK(close(fd) == 0);
}

int main(void)
{
	make_file("lock", 0644, "");
	for (enum kind kind = FLOCK; kind < NKINDS; kind++) {
		locks_exclude(kind);
		death_releases(kind);
		waiting_can_be_ended(kind);
	}
	ranges();
	kinds_are_independent();
	return posix_status();
}
