/* SPDX-License-Identifier: MIT */
/*
 * Options while mounted: .baton/config, which shows them all and changes those that can be changed. daemon.config is what
 * is in force; its live options change under daemon.tuning only, one change after the other, each as a whole or not at
 * all. The layers have copies of their own, which they are told of.
 */
#ifndef TUNING_H
#define TUNING_H

#include <stddef.h>

#include "config/config.h"
#include "control/control.h"
#include "exec/execution.h"
#include "store/store.h"
#include "util/log.h"
#include "util/macro.h"

struct daemon;

/*
 * A configuration file with all that is in force, without its last newline; malloc()ed:
 *
 *     ttl = 30m # file /etc/batonfs/data-tmp.conf:3 (can be changed)
 *
 * 0, -ENOMEM.
 */
int tuning_text(struct daemon *d, char **ret) WARN_UNUSED;

/*
 * "ttl=30m high=90%": apart by blanks, commas or newlines. 0; -EINVAL, -ERANGE (a value), -EPERM (cannot be changed while
 * mounted), -ENOMEM, -EIO (the store cannot be asked), and *why.
 */
int tuning_change(struct daemon *d, const struct control_caller *caller, const char *text,
		  size_t len, struct control_reason *why) WARN_UNUSED;

/* What is in force now. */
void tuning_now(struct daemon *d, struct config *ret);

/* Whether the marks leave room on a store of this size. 0; -EINVAL and *error; -errno. */
int tuning_check_store(const struct config *c, const struct store *store,
		       struct config_error *error) WARN_UNUSED;

struct exec_limits tuning_limits(const struct config *c);
enum log_level tuning_log_level(const struct config *c);

/* In the place of a process that has died, perhaps of another program: the options as they were changed there. Before anything is built. */
void tuning_restore(struct daemon *d);

#endif
