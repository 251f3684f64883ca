/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acting under a caller's file-system ids, in one thread.
 *
 * setfsuid(2) to another user takes away the effective capabilities that
 * concern files; without them open_by_handle_at(2) and access to what the
 * mount's kernel has allowed already would fail, so they are raised again
 * from the permitted set. CAP_SYS_RESOURCE never is. What is left of the
 * caller is ownership of what is created and whose reserve is used: ext4 asks
 * for fsuid 0 or CAP_SYS_RESOURCE, whatever else is raised.
 *
 * Invariant: ids are changed nowhere else, so what each thread remembers of
 * them is true.
 */
#include <mafs/platform.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <mafs/cleanup.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

struct thread_ids {
	bool known;
	bool is_root;
	uid_t fsuid, self_uid;
	gid_t fsgid, self_gid;
};

static _Thread_local struct thread_ids ids;

/* A new thread begins with its creator's ids, which need not be our own. */
static void learn_ids(void)
{
	ids.self_uid = geteuid();
	ids.self_gid = getegid();
	ids.is_root = ids.self_uid == 0;
	/* An invalid id changes nothing and tells the present one. */
	ids.fsuid = (uid_t)syscall(SYS_setfsuid, -1);
	ids.fsgid = (gid_t)syscall(SYS_setfsgid, -1);
	ids.known = true;
}

static void raise_again(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		data[i].effective = data[i].permitted;
	data[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective &=
		~CAP_TO_MASK(CAP_SYS_RESOURCE);
	syscall(SYS_capset, &header, data);
}

int mafs_thread_init(void)
{
	return unshare(CLONE_FS) < 0 ? -errno : 0;
}

void mafs_act_as(uid_t fsuid, gid_t fsgid)
{
	if (!ids.known)
		learn_ids();
	if (!ids.is_root || (fsuid == ids.fsuid && fsgid == ids.fsgid))
		return;

	/* Raw: glibc has no say here, and they concern one thread only. */
	if (fsgid != ids.fsgid)
		syscall(SYS_setfsgid, fsgid);
	if (fsuid != ids.fsuid) {
		syscall(SYS_setfsuid, fsuid);
		/* Back to root the kernel raises them itself. */
		if (fsuid != 0)
			raise_again();
	}
	ids.fsuid = fsuid;
	ids.fsgid = fsgid;
}

void mafs_act_as_self(void)
{
	if (ids.known)
		mafs_act_as(ids.self_uid, ids.self_gid);
}

/* ---- what another can reach ---- */

static int open_and_check(int dirfd, const char *path, int access)
{
	_cleanup_close_ int fd = -1;

	if (dirfd == AT_FDCWD) {
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else if (*path) {
		fd = mafs_open_beneath(dirfd, path, O_PATH | O_NOFOLLOW, 0);
		if (fd < 0)
			return fd;
	} else {
		fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return -errno;
	}
	/* Raw: by the file-system ids, which is what is ours to change. */
	if (syscall(SYS_faccessat2, fd, "", access,
		    AT_EMPTY_PATH | AT_EACCESS) < 0)
		return -errno;
	return take_fd(fd);
}

/* The groups of this thread. Return: how many, -errno. */
static int own_groups(gid_t **ret)
{
	int n = getgroups(0, NULL);

	if (n < 0)
		return -errno;
	*ret = calloc((size_t)n + 1, sizeof(gid_t));
	if (!*ret)
		return -ENOMEM;
	n = getgroups(n, *ret);
	return n < 0 ? -errno : n;
}

int mafs_open_as(const struct mafs_who *who, int dirfd, const char *path,
		 int access)
{
	_cleanup_free_ gid_t *groups = NULL;
	int fd, n_groups;

	if (!ids.known)
		learn_ids();
	mafs_act_as_self();
	if (!ids.is_root)
		return -EPERM;
	n_groups = own_groups(&groups);
	if (n_groups < 0)
		return n_groups;
	if (syscall(SYS_setgroups, who->n_groups, who->groups) < 0)
		return -errno;
	/* This takes the capabilities that concern files, too. */
	syscall(SYS_setfsgid, who->gid);
	syscall(SYS_setfsuid, who->uid);
	fd = open_and_check(dirfd, path, access);
	syscall(SYS_setfsuid, ids.self_uid);
	syscall(SYS_setfsgid, ids.self_gid);
	if (syscall(SYS_setgroups, n_groups, groups) < 0)
		abort(); /* never go on with another's groups */
	return fd;
}
