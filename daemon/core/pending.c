/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files whose bytes were never down. A power cut leaves them empty at N, and
 * an empty file says nothing; so N's inode carries an xattr with the session's
 * number from before its first byte is acknowledged until the bytes are below.
 * It is set once the log has the file: a daemon that is killed leaves no mark
 * that the next does not know of. pending_scan.c
 * reads what is left.
 *
 * Best effort: where N takes no xattr, nothing is listed.
 */
#include "intern.h"

#include <inttypes.h>
#include <string.h>
#include <sys/xattr.h>

const char *mafsd_pending_xattr(const struct mafsd *d)
{
	return d->root ? "trusted.mafs.pending" : "user.mafs.pending";
}

void mafsd_pending_set(struct mafsd *d, struct mafsd_inode *inode)
{
	char path[MAFSD_PROC_LEN], value[24];
	int fd, len;

	if (inode->file->pending)
		return;
	fd = mafsd_path_get(d, inode);
	if (fd < 0)
		return;
	mafsd_proc_path(fd, path);
	len = snprintf(value, sizeof(value), "%" PRIu64,
		       d->volume->session.number);
	inode->file->pending = setxattr(path, mafsd_pending_xattr(d), value,
					(size_t)len, 0) == 0;
	mafsd_path_put(d, inode);
}
