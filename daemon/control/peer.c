// SPDX-License-Identifier: Apache-2.0
/*
 * Who speaks on a connection. The directory of the socket keeps others out
 * already; what is found here holds even if its owner opened that. Called by
 * server.c.
 */
#include "peer.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <microhttpd.h>
#include <sys/socket.h>

/* Return: how many, -errno. */
static int groups_of(int fd, gid_t **ret)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t len = 0;

	/* The length alone; none at all is no error. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) < 0 &&
	    errno != ERANGE)
		return -EACCES;
	groups = calloc(1, (size_t)len + 1);
	if (!groups)
		return -ENOMEM;
	if (len > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return -EACCES;
	*ret = take_ptr(groups);
	return (int)(len / sizeof(gid_t));
}

int mafsd_peer_of(struct MHD_Connection *connection, struct mafsd_peer *ret)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct mafsd_peer peer = { 0 };
	struct ucred user;
	socklen_t len = sizeof(user);
	int n;

	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED,
				&user, &len) < 0)
		return -EACCES;
	peer.may_all = user.uid == 0 || user.uid == geteuid();
	peer.who.uid = user.uid;
	peer.who.gid = user.gid;
	if (!peer.may_all) {
		n = groups_of(info->connect_fd, &peer.groups);
		if (n < 0)
			return n;
		peer.who.groups = peer.groups;
		peer.who.n_groups = (size_t)n;
	}
	*ret = peer;
	return 0;
}

void mafsd_peer_done(struct mafsd_peer *peer)
{
	free(peer->groups);
}
