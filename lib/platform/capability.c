/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon may do as root: perform operations on N for others, mount,
 * register backing files, set trusted xattrs, and nothing else.
 * CAP_SYS_RESOURCE must go, so that ext4's reserve and hard quotas hold.
 * CAP_FSETID stays: who loses setuid bits is decided for the caller
 * (KILLPRIV_V2), and write-back must not strip what a root's write has left.
 */
#include <mafs/platform.h>

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <mafs/cleanup.h>
#include <sys/syscall.h>

static const unsigned int kept[] = {
	CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
	CAP_FSETID, CAP_LEASE,        CAP_MKNOD,           CAP_SETFCAP,
	CAP_SETGID, CAP_SETUID,       CAP_SYS_ADMIN, /* mounts, passthrough */
};

int mafs_capabilities_limit(void)
{
	bool had[MAFS_ARRAY_SIZE(kept)];
	capng_select_t what = CAPNG_SELECT_CAPS;

	if (capng_get_caps_process() < 0)
		return -EIO;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(kept); i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]);
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		what = CAPNG_SELECT_BOTH;

	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(kept); i++)
		if (had[i])
			capng_update(CAPNG_ADD,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED |
					     CAPNG_BOUNDING_SET,
				     kept[i]);
	return capng_apply(what) < 0 ? -EPERM : 0;
}

/* This thread's, and not through libcap-ng: it keeps state of its own. */
bool mafs_have_capability(int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(capability)].effective &
	       CAP_TO_MASK(capability);
}
