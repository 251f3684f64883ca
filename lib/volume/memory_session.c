// SPDX-License-Identifier: Apache-2.0
/*
 * RUN/<uuid> of a memory volume that is mounted here: the same files as a
 * tiered one's, for the same commands. Nothing of the volume is in it, so what
 * a killed daemon left is taken over without a word.
 */
#include "volume.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct mafs_memory_session {
	struct mafs_volume volume; /* what mount.json tells */
	struct runtime runtime;
	char memory_path[PATH_MAX], runtime_dir[PATH_MAX];
};

int mafs_memory_session_open(const struct mafs_uuid *uuid, const char *source,
			     const char *mountpoint,
			     struct mafs_memory_session **ret,
			     struct mafs_fault *fault)
{
	struct mafs_memory_session *session = calloc(1, sizeof(*session));
	int r;

	if (!session)
		return -ENOMEM;
	session->runtime = (struct runtime){ .fd = -1, .lock_fd = -1 };
	session->volume.uuid = *uuid;
	session->volume.source = (char *)source;
	session->volume.runtime_dir = session->runtime_dir;
	session->volume.memory_path = session->memory_path;
	r = runtime_path(uuid, session->runtime_dir, fault);
	if (r == 0)
		r = memory_path_of(uuid, session->runtime_dir,
				   session->memory_path);
	if (r == 0 &&
	    strlen(mountpoint) >= sizeof(session->volume.session.mountpoint))
		r = mafs_fault_set(fault, -ENAMETOOLONG, "%s is too long",
				   mountpoint);
	if (r == 0) {
		strcpy(session->volume.session.mountpoint, mountpoint);
		r = runtime_open(session->runtime_dir, &session->runtime,
				 fault);
	}
	if (r < 0) {
		mafs_memory_session_close(session);
		return r;
	}
	*ret = session;
	return 0;
}

int mafs_memory_session_publish(struct mafs_memory_session *session, pid_t pid,
				struct mafs_fault *fault)
{
	session->volume.session.pid = pid;
	return runtime_publish(&session->runtime, &session->volume, fault);
}

const char *mafs_memory_session_dir(const struct mafs_memory_session *session)
{
	return session->runtime_dir;
}

void mafs_memory_session_close(struct mafs_memory_session *session)
{
	if (!session)
		return;
	if (session->runtime.fd >= 0) {
		runtime_withdraw(&session->runtime);
		runtime_remove(&session->runtime, session->runtime_dir);
	}
	runtime_done(&session->runtime);
	free(session);
}
