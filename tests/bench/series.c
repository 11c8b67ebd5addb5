/* SPDX-License-Identifier: MIT */
#include "series.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "workload.h"

#define SERIES_MAX 24
#define VALUES_MAX 65536

struct series {
	char name[32];
	size_t count;
	double values[VALUES_MAX];
};

struct all_series {
	pthread_mutex_t lock; /* the names; values belong to one process */
	struct series series[SERIES_MAX];
};

static struct all_series *all;

void series_init(void)
{
	pthread_mutexattr_t attr;

	all = shared_new(sizeof(*all));
	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
	    pthread_mutex_init(&all->lock, &attr) != 0)
		fail("pthread_mutex_init", NULL);
}

static struct series *find(const char *name)
{
	struct series *found = NULL;

	pthread_mutex_lock(&all->lock);
	for (size_t i = 0; i < SERIES_MAX && !found; i++) {
		if (!all->series[i].name[0])
			snprintf(all->series[i].name, sizeof(all->series[i].name), "%s", name);
		if (strcmp(all->series[i].name, name) == 0)
			found = &all->series[i];
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}

void record(const char *name, double value)
{
	struct series *series = find(name);

	if (!series || series->count == VALUES_MAX) {
		errno = ENOSPC;
		fail("too many numbers", name);
	}
	series->values[series->count++] = value;
}

void series_print(const char *workload)
{
	printf("{\"workload\": \"%s\", \"series\": {", workload);
	for (size_t i = 0; i < SERIES_MAX && all->series[i].name[0]; i++) {
		printf("%s\"%s\": [", i ? ", " : "", all->series[i].name);
		for (size_t k = 0; k < all->series[i].count; k++)
			printf("%s%.16g", k ? "," : "", all->series[i].values[k]);
		printf("]");
	}
	printf("}}\n");
}
