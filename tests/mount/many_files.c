/* SPDX-License-Identifier: MIT */
/*
 *     many_files make DIRECTORY N    files 1 to N of 10 bytes each
 *     many_files hold PATH           map a file, close it, say "mapped"; at a line of input look at it: "whole"
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int make(const char *directory, long n)
{
	if (chdir(directory) < 0)
		return 1;
	for (long i = 1; i <= n; i++) {
		char name[24], text[24];
		int fd;

		(void)snprintf(name, sizeof(name), "%ld", i);
		(void)snprintf(text, sizeof(text), "%09ld\n", i);
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (fd < 0 || write(fd, text, 10) != 10 || close(fd) < 0) {
			perror(name);
			return 1;
		}
	}
	return 0;
}

static int hold(const char *path)
{
	char before[10];
	const char *map;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || pread(fd, before, sizeof(before), 0) != sizeof(before))
		return 1;
	map = mmap(NULL, sizeof(before), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || close(fd) < 0)
		return 1;
	(void)puts("mapped");
	(void)fflush(stdout);
	(void)getchar();
	(void)puts(memcmp(map, before, sizeof(before)) == 0 ? "whole" : "broken");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "make") == 0)
		return make(argv[2], atol(argv[3]));
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2]);
	return 2;
}
