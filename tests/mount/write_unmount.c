/* SPDX-License-Identifier: MIT */
/*
 * write_unmount MOUNTPOINT FILE MICROSECONDS: write the file, and unmount so long after its close. In one process,
 * because starting another takes longer than what could be in the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	int64_t end;
	int fd;

	if (argc != 4)
		return 2;
	fd = open(argv[2], O_WRONLY | O_CREAT, 0644);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0) {
		perror(argv[2]);
		return 1;
	}
	end = now_us() + atoi(argv[3]);
	while (now_us() < end)
		;
	if (umount2(argv[1], UMOUNT_NOFOLLOW) == 0)
		return 0;
	(void)fprintf(stderr, "%s us after the close: %s\n", argv[3], strerror(errno));
	return 1;
}
