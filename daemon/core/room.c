/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What N has room for: a thread asks its file system, since one that hangs
 * would keep every request that asks. Who wants to know waits for the answer
 * a little; if it does not come, the last one counts until the next.
 */
#include "intern.h"

#define PATIENCE_MS 200

/* Context: space->lock held. */
static void take_answer(struct mafsd_space *space, int r,
			const struct statvfs *vfs)
{
	space->n_answers++;
	space->error = r;
	if (r < 0)
		return;
	space->cached = *vfs;
	space->available_bytes = (uint64_t)vfs->f_bavail * vfs->f_frsize;
	/* Room for N's own metadata: indirect blocks, directories. */
	space->margin_bytes = (uint64_t)vfs->f_blocks * vfs->f_frsize / 256;
	if (space->margin_bytes > (16U << 20))
		space->margin_bytes = 16U << 20;
	space->read_ms = mafsd_now_ms();
}

static void *ask_for_others(void *argument)
{
	struct mafsd *d = argument;
	struct mafsd_space *space = &d->space;
	struct statvfs vfs;
	int r;

	pthread_mutex_lock(&space->lock);
	while (!space->stop) {
		if (!space->wanted) {
			pthread_cond_wait(&space->asked, &space->lock);
			continue;
		}
		space->wanted = false;
		space->asking = true;
		pthread_mutex_unlock(&space->lock);
		r = d->tier->statvfs(d->n_fd, &vfs);
		pthread_mutex_lock(&space->lock);
		take_answer(space, r, &vfs);
		space->asking = space->late = false;
		pthread_cond_broadcast(&space->answered);
	}
	pthread_mutex_unlock(&space->lock);
	return NULL;
}

static void wait_for_answer(struct mafsd_space *space)
{
	/* One that is under way is of before we asked. */
	uint64_t wanted = space->n_answers + 1 + space->asking;
	int64_t until_ms = mafsd_now_ms() + PATIENCE_MS;

	while (space->n_answers < wanted && !space->late)
		if (mafsd_wait_until(&space->answered, &space->lock,
				     until_ms) != 0)
			space->late = true;
}

int mafsd_room_look(struct mafsd *d)
{
	struct mafsd_space *space = &d->space;
	struct statvfs vfs;
	int r;

	if (!space->running) {
		r = d->tier->statvfs(d->n_fd, &vfs);
		take_answer(space, r, &vfs);
		return r;
	}
	space->wanted = true;
	pthread_cond_signal(&space->asked);
	wait_for_answer(space);
	return space->error;
}

int mafsd_room_start(struct mafsd *d)
{
	struct mafsd_space *space = &d->space;
	int r;
	mafs_guard(&space->lock);

	r = pthread_create(&space->thread, NULL, ask_for_others, d);
	space->running = r == 0;
	return -r;
}

void mafsd_room_stop(struct mafsd *d)
{
	struct mafsd_space *space = &d->space;

	pthread_mutex_lock(&space->lock);
	if (!space->running) {
		pthread_mutex_unlock(&space->lock);
		return;
	}
	space->stop = true;
	pthread_cond_signal(&space->asked);
	pthread_mutex_unlock(&space->lock);
	pthread_join(space->thread, NULL);
	space->running = false;
}
