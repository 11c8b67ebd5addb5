/* SPDX-License-Identifier: MIT */
/*
 * What is begun and not done yet when a signal ends the program (Ctrl-C, kill(1), a closed terminal or pipe) is undone
 * first. One thing at a time. Against SIGKILL there is nothing to be done.
 */
#ifndef TOOLS_UNDO_H
#define TOOLS_UNDO_H

/* From now on a signal calls `undo`, which may do what a signal handler may, and then ends the program as it would have. */
void undo_begin(void (*undo)(void *arg), void *arg);

/* It is done, or was undone otherwise. */
void undo_end(void);

#endif
