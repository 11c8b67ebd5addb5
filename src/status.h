/* SPDX-License-Identifier: MIT */
/*
 * What status.json says of the mount beside executions and ledger, which control/ adds itself.
 */
#ifndef STATUS_H
#define STATUS_H

#include <jansson.h>

#include "daemon.h"

/* Any thread, while it is mounted. */
void status_add(struct daemon *d, json_t *object);

#endif
