/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API: HTTP over a unix socket, JSON both ways. docs/api.md and
 * docs/openapi.yaml describe it, routes.c lists it.
 */
#pragma once

#include <core/admin.h>
#include <mafs/fault.h>

struct mafsd_control;
struct mafsm;

/**
 * struct mafsd_served - what is asked about: one of the two
 */
struct mafsd_served {
	struct mafsd *d; /* a tiered volume */
	struct mafsm *m; /* a memory volume */
};

/**
 * mafsd_control_start() - listen on a new socket and answer in own threads
 * @socket_path: in a directory that nobody else can enter (0700); what an
 *	earlier daemon left there is replaced, so the volume must be locked
 *
 * A thread a connection: a long sync does not keep others waiting. Root and
 * the daemon's own user may all; others, who get here only if the directory
 * was opened to them, may ask about and move files that they could in the
 * mount (core/access.c). All signals are blocked in the threads.
 *
 * Return: 0; -EPERM: others can enter the directory; -ENAMETOOLONG; -errno.
 */
int mafsd_control_start(const struct mafsd_served *served,
			const char *socket_path, struct mafsd_control **ret,
			struct mafs_fault *fault);

/**
 * mafsd_control_stop() - answer what has been asked, then close
 *
 * Blocks until the calls that are being served have returned. Removes the
 * socket. NULL is fine.
 */
void mafsd_control_stop(struct mafsd_control *control);
