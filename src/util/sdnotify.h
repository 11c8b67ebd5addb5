/* SPDX-License-Identifier: MIT */
/*
 * systemd's notification protocol, sd_notify(3): one datagram to the socket in NOTIFY_SOCKET.
 */
#ifndef UTIL_SDNOTIFY_H
#define UTIL_SDNOTIFY_H

/* "READY=1\nSTATUS=...". Does nothing when no service manager asked for it. */
void sdnotify(const char *state);

#endif
