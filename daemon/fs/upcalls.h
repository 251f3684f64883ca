/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the kernel that are counted. */
#pragma once

/* X-macro of the upcalls that are counted, in the order of status. */
#define MAFSD_UPCALLS(X) \
	X(lookup)        \
	X(forget)        \
	X(getattr)       \
	X(setattr)       \
	X(readlink)      \
	X(mknod)         \
	X(mkdir)         \
	X(unlink)        \
	X(rmdir)         \
	X(symlink)       \
	X(rename)        \
	X(link)          \
	X(open)          \
	X(create)        \
	X(tmpfile)       \
	X(read)          \
	X(write)         \
	X(flush)         \
	X(release)       \
	X(fsync)         \
	X(opendir)       \
	X(readdir)       \
	X(readdirplus)   \
	X(releasedir)    \
	X(fsyncdir)      \
	X(statfs)        \
	X(setxattr)      \
	X(getxattr)      \
	X(listxattr)     \
	X(removexattr)   \
	X(access)        \
	X(fallocate)     \
	X(lseek)         \
	X(copy_file_range)

enum mafsd_upcall {
#define X(name) MAFSD_UPCALL_##name,
	MAFSD_UPCALLS(X)
#undef X
	MAFSD_N_UPCALLS,
};
