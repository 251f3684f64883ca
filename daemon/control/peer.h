/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks on a connection. */
#pragma once

#include <mafs/platform.h>

struct MHD_Connection;

/**
 * struct mafsd_peer - the user at the other end, as the kernel tells it
 * @may_all: root, or the daemon's own user
 */
struct mafsd_peer {
	bool may_all;
	struct mafs_who who;
	gid_t *groups; /* owned */
};

/* As it was when it connected. Return: 0, -EACCES: it cannot be told, -ENOMEM.
 */
int mafsd_peer_of(struct MHD_Connection *connection, struct mafsd_peer *ret);
void mafsd_peer_done(struct mafsd_peer *peer);
