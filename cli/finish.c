// SPDX-License-Identifier: Apache-2.0
/* Called by umount after the mount is gone from the tree. */
#include "finish.h"

#include "client.h"
#include "progress.h"
#include "spawn.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/mounts.h>
#include <poll.h>
#include <string.h>

/* After this a daemon that still serves is held by somebody. */
#define N_STEPS_PATIENCE (5000 / MAFS_PROGRESS_STEP_MS)

static void tell_troubles(const json_t *status)
{
	json_t *troubles = json_object_get(status, "troubles"), *trouble;
	size_t i;

	json_array_foreach(troubles, i, trouble)
		mafs_warning("%s: %s; kept in memory and tried again",
			     mafs_client_text(trouble, "path"),
			     mafs_client_text(trouble, "error"));
}

static void tell_held(const struct mafs_volume_ref *volume)
{
	mafs_notice("process %d still serves %s: files are open, or another "
		    "mount namespace shows it; waiting",
		    (int)volume->pid, volume->source);
}

void mafs_finish_wait(const struct mafs_volume_ref *volume, int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	size_t n_told = 0, n_troubles;
	char line[128];

	for (int step = 0; poll(&ended, 1, MAFS_PROGRESS_STEP_MS) <= 0;
	     step++) {
		_cleanup_(mafs_json_decrefp) json_t *status = NULL;

		if (mafs_client_status(volume->control_path, &status, NULL) < 0)
			continue;
		n_troubles =
			json_array_size(json_object_get(status, "troubles"));
		if (n_troubles > n_told) {
			mafs_progress_show("");
			tell_troubles(status);
			n_told = n_troubles;
		}
		if (step == N_STEPS_PATIENCE &&
		    !strcmp(mafs_client_text(status, "state"), "serving")) {
			mafs_progress_show("");
			tell_held(volume);
		}
		mafs_progress_left(status, line, sizeof(line));
		mafs_progress_show(line);
	}
	mafs_progress_show("");
}

/* A tmpfs of root's is a mount, an unprivileged user's a directory. */
bool mafs_finish_is_left(const struct mafs_volume_ref *volume)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct mafs_mounts mounts = { 0 };
	struct dirent *entry;
	bool left;

	if (!volume->memory_path)
		return false;
	if (mafs_mounts_read(NULL, &mounts) == 0) {
		left = mafs_mounts_at(&mounts, volume->memory_path);
		mafs_mounts_done(&mounts);
		if (left)
			return true;
	}
	dir = opendir(volume->memory_path);
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return true;
	return false;
}

int mafs_finish_offline(const struct mafs_volume_ref *volume,
			struct mafs_fault *fault)
{
	const char *argv[] = { NULL, "--offline", volume->source, NULL };
	char program[PATH_MAX];
	int r;

	if (!volume->source)
		return mafs_fault_set(fault, -ENOENT,
				      "%s holds files, but their directory is "
				      "not to be found",
				      volume->memory_path);
	r = mafs_find_fused(program, sizeof(program));
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "mafs-fused is missing; install mafs "
				      "again");
	argv[0] = program;
	r = mafs_spawn(argv, NULL, 0);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", program,
				      strerror(-r));
	if (r > 0)
		return mafs_fault_set(fault, -EIO,
				      "%s: not all could be written back; it "
				      "is kept in %s",
				      volume->source, volume->memory_path);
	return 0;
}
