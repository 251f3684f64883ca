/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API: HTTP over a unix socket, JSON both ways.
 *
 *	GET  /v1/status			struct mafsd_status and the troubles
 *	POST /v1/sync			write back all that is dirty now
 *	POST /v1/push {"path": P}	write back and evict
 *	POST /v1/pull {"path": P}	promote
 *	GET  /v1/file?path=P		one file's tier, state and extents
 *
 * P is relative to the mount's root. push and pull take ?path= as well: a
 * percent-encoded query carries any byte, JSON only UTF-8 (a byte that is not
 * UTF-8 is answered as U+FFFD). An error is an HTTP code from 400 up with
 * {"error": text, "errno": number}.
 */
#pragma once

#include <core/admin.h>
#include <mafs/fault.h>

struct mafsd_control;

/**
 * mafsd_control_start() - listen on a new socket and answer in own threads
 * @socket_path: in a directory that nobody else can enter (0700); what an
 *	earlier daemon left there is replaced, so the volume must be locked
 *
 * A thread a connection: a long sync does not keep others waiting. Only root
 * and the daemon's own user are answered. All signals are blocked in the
 * threads.
 *
 * Return: 0; -EPERM: others can enter the directory; -ENAMETOOLONG; -errno.
 */
int mafsd_control_start(struct mafsd *d, const char *socket_path,
			struct mafsd_control **ret, struct mafs_fault *fault);

/**
 * mafsd_control_stop() - answer what has been asked, then close
 *
 * Blocks until the calls that are being served have returned. Removes the
 * socket. NULL is fine.
 */
void mafsd_control_stop(struct mafsd_control *control);
