/* SPDX-License-Identifier: MIT */
/* A file of /etc/batonfs: what is wrong with it is one line that names the file. */
#include "fuzz_target.h"

#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "config/option.h"
#include "util/cleanup.h"

void fuzz_config_file(const uint8_t *data, size_t size)
{
	static char *const no_variables[] = { NULL };
	static char mountpoint[] = "/mnt";
	static struct config c;
	_cleanup_close_ int fd = memfd_create("config", MFD_CLOEXEC);
	struct config_error error = { .text = "" };
	const char *head = (const char *)data;

	FUZZ_HOLDS(fd >= 0);
	while (size > 0) {
		ssize_t n = write(fd, head, size);

		FUZZ_HOLDS(n > 0);
		head += n;
		size -= (size_t)n;
	}
	memset(&c, 0, sizeof(c));
	option_defaults(&c);
	c.mountpoint = mountpoint;
	(void)snprintf(c.file, sizeof(c.file), "/proc/self/fd/%d", fd);
	if (config_complete(&c, no_variables, "/nowhere", &error) < 0) {
		fuzz_is_one_line(error.text);
		FUZZ_HOLDS(strstr(error.text, c.file));
		return;
	}
	(void)!config_check(&c, &error);
}
