// SPDX-License-Identifier: Apache-2.0
/*
 * mafs logplay of a memory volume: the log is replayed into names, and these
 * are shown; then the log is followed, also across its checkpoints. One that
 * was checkpointed away under us is replayed anew.
 */
#include "logplay.h"
#include "where.h"

#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <mafs/names_shadow.h>
#include <mafs/volume.h>
#include <string.h>

struct play {
	const struct mafs_logplay_request *request;
	struct mafs_memory_volume *volume;
	struct mafs_names_shadow *shadow;
};

static void play_done(struct play *play)
{
	mafs_names_shadow_close(play->shadow);
	mafs_memory_volume_close(play->volume);
}

static int open_volume(struct play *play, struct mafs_fault *fault)
{
	const struct mafs_memory_volume_options options = {
		.source = play->request->source,
		.devices = play->request->devices,
		.n_devices = play->request->n_devices,
		.role = MAFS_ROLE_CLIENT,
		.incomplete = true,
	};

	mafs_memory_volume_close(take_ptr(play->volume));
	return mafs_memory_volume_open(&options, &play->volume, fault);
}

/* Not in the volume itself, where it is mounted here. */
static int check_apart(const struct play *play, struct mafs_fault *fault)
{
	_cleanup_(mafs_volume_ref_done) struct mafs_volume_ref ref = {
		.n_fd = -1,
	};
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&play->volume->uuid, uuid);
	if (mafs_volume_find(uuid, &ref, NULL) < 0 || !ref.mountpoint)
		return 0;
	return mafs_logplay_check_apart(NULL, ref.mountpoint,
					play->request->shadow, fault);
}

static int begin(struct play *play, struct mafs_fault *fault)
{
	int r = open_volume(play, fault);

	if (r == 0)
		r = check_apart(play, fault);
	if (r == 0)
		r = mafs_names_shadow_open(play->request->shadow,
					   &play->volume->uuid, &play->shadow,
					   fault);
	return r < 0 ? r :
		       mafs_names_shadow_fill(play->shadow, play->volume,
					      fault);
}

static int follow(struct play *play, struct mafs_fault *fault)
{
	int r = mafs_memory_volume_follow(play->volume, mafs_names_shadow_note,
					  play->shadow, fault);

	if (r == -ESTALE) {
		mafs_names_shadow_close(take_ptr(play->shadow));
		return begin(play, fault);
	}
	return r <= 0 ? r :
			mafs_names_shadow_update(play->shadow, play->volume,
						 fault);
}

int mafs_logplay_memory(const struct mafs_logplay_request *request,
			struct mafs_fault *fault)
{
	_cleanup_(play_done) struct play play = { .request = request };
	int r = begin(&play, fault);

	if (r < 0 || !request->stop)
		return r;
	while (r >= 0 && !mafs_logplay_told_to_stop(request->stop))
		r = follow(&play, fault);
	return r < 0 ? r : 0;
}
