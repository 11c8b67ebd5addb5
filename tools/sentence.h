/* SPDX-License-Identifier: MIT */
/*
 * The life and death of an execution in sentences, from the objects of execution.json and why/ID. Text
 * from other processes (command names, paths) is printed with '?' for control characters.
 */
#ifndef TOOLS_SENTENCE_H
#define TOOLS_SENTENCE_H

#include <jansson.h>
#include <stdio.h>

/* "in 29m 48s, at 2026-11-21 21:14:01, unless it is used before": no full stop, no newline. */
void sentence_expiry(FILE *out, const json_t *execution, double now);

/* "4711 is alive: ...\n" */
void sentence_alive(FILE *out, const json_t *execution, double now);

/* "4711 was released 12 s ago because ...\n"; `id` is the execution's. */
void sentence_release(FILE *out, const char *id, const json_t *release, double now);

/* All of a why object, what is now first, then what was, newest first. */
void sentence_why(FILE *out, const json_t *why, double now);

#endif
