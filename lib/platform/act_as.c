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
#include <linux/capability.h>
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
