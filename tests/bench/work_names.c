/* SPDX-License-Identifier: MIT */
/*
 * Names: each client has a directory of its own and makes, asks for, lists and removes `count` empty files,
 * all clients at the same time. Rates are of all clients together, from the first one's start to the last
 * one's end: create_rate, stat_rate, list_rate (entries), unlink_rate, each per second.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workload.h"

#define CLIENTS_MAX 64
#define LIST_REPEAT 5

struct client {
	uint64_t number;
	uint64_t ended_ns;
};

struct phase {
	const char *series;
	void (*one)(const char *path); /* per name, or */
	void (*all)(const char *dir);  /* once */
	uint64_t repeat;
};

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("create", path);
	close(fd);
}

static void ask(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		fail("stat", path);
}

static void list(const char *path)
{
	for (int i = 0; i < LIST_REPEAT; i++) {
		DIR *dir = opendir(path);

		if (!dir)
			fail("opendir", path);
		while (readdir(dir))
			;
		closedir(dir);
	}
}

static void drop(const char *path)
{
	if (unlink(path) != 0)
		fail("unlink", path);
}

static const struct phase phases[] = {
	{ "create_rate", make, NULL, 1 },
	{ "stat_rate", ask, NULL, 1 },
	{ "list_rate", NULL, list, LIST_REPEAT },
	{ "unlink_rate", drop, NULL, 1 },
};
#define PHASES (sizeof(phases) / sizeof(phases[0]))

static void client_main(struct turns *turns, const struct params *params, void *shared)
{
	struct client *client = shared;
	char dir[PATH_BYTES / 2], path[PATH_BYTES];

	/* DIR0, DIR1, ...: on batonfs, each an execution. */
	snprintf(dir, sizeof(dir), "%s%" PRIu64, params->dir, client->number);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		fail("mkdir", dir);
	snprintf(path, sizeof(path), "%s/stays", dir);
	make(path);
	turn_give(turns);
	for (size_t i = 0; i < PHASES && turn_take(turns); i++) {
		for (uint64_t k = 0; k < params->count && phases[i].one; k++) {
			snprintf(path, sizeof(path), "%s/input-%" PRIu64 ".bin", dir, k);
			phases[i].one(path);
		}
		if (phases[i].all)
			phases[i].all(dir);
		client->ended_ns = now_ns();
		turn_give(turns);
	}
	snprintf(path, sizeof(path), "%s/stays", dir);
	drop(path);
	(void)rmdir(dir);
}

void work_names(const struct params *params)
{
	struct client *clients = shared_new(sizeof(*clients) * CLIENTS_MAX);
	struct turns turns[CLIENTS_MAX];
	uint64_t n = params->clients < CLIENTS_MAX ? params->clients : CLIENTS_MAX;

	for (uint64_t i = 0; i < n; i++) {
		clients[i].number = i;
		turns[i] = partner_start(client_main, params, &clients[i]);
	}
	for (uint64_t i = 0; i < n; i++)
		(void)turn_take(&turns[i]);
	for (size_t phase = 0; phase < PHASES; phase++) {
		uint64_t begun = now_ns(), ended = begun;

		for (uint64_t i = 0; i < n; i++)
			turn_give(&turns[i]);
		for (uint64_t i = 0; i < n; i++) {
			if (turn_take(&turns[i]) && clients[i].ended_ns > ended)
				ended = clients[i].ended_ns;
		}
		record(phases[phase].series, (double)(n * params->count * phases[phase].repeat) *
						     1e9 / (double)(ended - begun + 1));
	}
	for (uint64_t i = 0; i < n; i++)
		partner_finish(&turns[i]);
}
