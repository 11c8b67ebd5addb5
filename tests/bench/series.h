/* SPDX-License-Identifier: MIT */
/*
 * The numbers that a workload yields: named lists in memory that all its processes share. Each list has
 * one process that adds to it, and the main process prints them when the others are done.
 */
#ifndef TESTS_BENCH_SERIES_H
#define TESTS_BENCH_SERIES_H

void series_init(void);
void series_print(const char *workload);

#endif
