// SPDX-License-Identifier: Apache-2.0
/*
 * Follows the log of a volume from outside. Memory is let go of as soon as its
 * path names something else: an open descriptor would keep a whole tmpfs alive
 * after the unmount.
 */
#include <mafs/live.h>

#include <mafs/cleanup.h>
#include <mafs/replay.h>
#include <string.h>
#include <sys/stat.h>

/* A log that is checkpointed away faster than it can be read. */
#define N_ATTEMPTS 8

struct mafs_live {
	char *path;
	struct mafs_memory *memory; /* NULL: none */
	struct stat path_st; /* of @path when it was attached */
	struct mafs_log_reader *reader; /* NULL: to be opened */
	struct mafs_hot_table *hot;
	uint64_t seq;
};

int mafs_live_open(const char *memory_path, struct mafs_live **ret)
{
	struct mafs_live *live = calloc(1, sizeof(*live));

	if (!live)
		return -ENOMEM;
	live->path = strdup(memory_path);
	live->hot = mafs_hot_table_new();
	if (!live->path || !live->hot) {
		mafs_live_close(live);
		return -ENOMEM;
	}
	*ret = live;
	return 0;
}

static void detach(struct mafs_live *live)
{
	mafs_log_reader_close(live->reader);
	live->reader = NULL;
	if (live->memory)
		live->memory->ops->free(live->memory);
	live->memory = NULL;
	live->seq = 0;
	mafs_hot_replay_ops.begin(live->hot, NULL);
}

void mafs_live_close(struct mafs_live *live)
{
	if (!live)
		return;
	if (live->hot)
		detach(live);
	mafs_hot_table_free(live->hot);
	free(live->path);
	free(live);
}

static bool is_still_there(const struct mafs_live *live)
{
	struct stat st;

	return stat(live->path, &st) == 0 &&
	       st.st_dev == live->path_st.st_dev &&
	       st.st_ino == live->path_st.st_ino;
}

/* Return: 1: attached, was not before; 0: as before; -ENOENT: none. */
static int attach(struct mafs_live *live, struct mafs_fault *fault)
{
	struct stat st;
	int r;

	if (live->memory && is_still_there(live))
		return 0;
	detach(live);
	if (stat(live->path, &st) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	r = mafs_memory_attach(live->path, true, &live->memory, fault);
	if (r < 0)
		return r;
	live->path_st = st;
	return 1;
}

/* Return: entries replayed; -errno. */
static int follow(struct mafs_live *live, struct mafs_fault *fault)
{
	struct mafs_log_position end;
	struct mafs_superblock sb;
	int r;

	if (!live->reader) {
		r = mafs_log_reader_open(&live->memory->media, &live->reader,
					 &sb, fault);
		if (r < 0)
			return r;
		r = mafs_hot_replay_ops.begin(live->hot, &sb);
		if (r < 0)
			return r;
	}
	r = mafs_replay_follow(live->reader, &mafs_hot_replay_ops, live->hot,
			       fault);
	mafs_log_reader_end(live->reader, &end);
	live->seq = end.seq;
	return r;
}

int mafs_live_update(struct mafs_live *live, struct mafs_fault *fault)
{
	bool had_memory = live->memory;
	bool anew = false;
	int r;

	r = attach(live, fault);
	/* Gone, or not formatted yet: nothing is in memory. */
	if (r == -ENOENT)
		return had_memory;
	if (r < 0)
		return r;
	anew = r > 0;

	for (int i = 0; i < N_ATTEMPTS; i++) {
		r = follow(live, fault);
		if (r != -ESTALE)
			break;
		mafs_log_reader_close(live->reader);
		live->reader = NULL;
		anew = true;
	}
	if (r == -ENODATA) {
		detach(live);
		return had_memory;
	}
	if (r < 0)
		return r;
	return r > 0 || anew;
}

struct mafs_memory *mafs_live_memory(struct mafs_live *live)
{
	return live->memory;
}

struct mafs_hot_table *mafs_live_hot(struct mafs_live *live)
{
	return live->hot;
}

uint64_t mafs_live_seq(const struct mafs_live *live)
{
	return live->seq;
}
