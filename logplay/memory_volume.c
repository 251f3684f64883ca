// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a memory volume: the primary device, a replay of its log into names,
 * the further devices; and to write, the master's place, free space, and the
 * log. In that order: a log that is not valid to its end leaves everything as
 * it was, and a master that was in the way has stopped before the last of its
 * entries is looked for.
 */
#include "memory_volume.h"

#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <string.h>

/* A log that is checkpointed away faster than it can be read. */
#define REPLAY_ATTEMPTS 8

/* ---- replay ---- */

/* A fault with the place of the entry that it is about. */
static int entry_fault(int err, const struct mafs_entry *entry,
		       const struct mafs_log_position *position,
		       const struct mafs_fault *why, struct mafs_fault *fault)
{
	err = mafs_fault_at(fault, err, position->record_offset,
			    "%s: batch %llu: %s: %.300s",
			    mafs_region_to_text(position->region),
			    (unsigned long long)position->batch_number,
			    mafs_entry_type_to_text(entry->type),
			    why->what[0] ? why->what : strerror(-err));
	if (fault)
		fault->seq = entry->seq;
	return err;
}

static int apply(struct mafs_memory_volume *volume,
		 const struct mafs_entry *entry,
		 const struct mafs_log_position *position,
		 struct mafs_fault *fault)
{
	struct mafs_fault why;
	int err;

	mafs_fault_clear(&why);
	if (entry->type == MAFS_OMF_DEVICE_ADD)
		err = memory_devices_note(volume, entry);
	else
		err = mafs_names_apply(volume->names, entry, &why);
	return err ? entry_fault(err, entry, position, &why, fault) : 0;
}

/* Goes on to the log's end. Return: entries, -errno. */
static int read_on(struct mafs_memory_volume *volume, mafs_seen_fn *seen,
		   void *context, struct mafs_fault *fault)
{
	struct mafs_log_position position;
	struct mafs_entry entry;
	int n_entries = 0, r;

	while ((r = mafs_log_reader_next(volume->reader, &entry, &position,
					 fault)) == 1) {
		r = apply(volume, &entry, &position, fault);
		if (r == 0 && seen)
			seen(context, &entry);
		mafs_entry_done(&entry);
		if (r < 0)
			return r;
		n_entries += n_entries < INT32_MAX;
	}
	if (r < 0)
		return r;
	mafs_log_reader_end(volume->reader, &volume->end);
	volume->tail = mafs_log_reader_tail(volume->reader);
	return n_entries;
}

static int begin_replay(struct mafs_memory_volume *volume,
			struct mafs_fault *fault)
{
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);

	mafs_log_reader_close(take_ptr(volume->reader));
	mafs_names_free(take_ptr(volume->names));
	memory_devices_done(volume);
	if (mafs_names_new(&volume->names))
		return -ENOMEM;
	return mafs_log_reader_open(&device->media, &volume->reader,
				    &volume->sb, fault);
}

static int replay(struct mafs_memory_volume *volume, struct mafs_fault *fault)
{
	int r = -ESTALE;

	for (int i = 0; i < REPLAY_ATTEMPTS && r == -ESTALE; i++) {
		r = begin_replay(volume, fault);
		if (r == 0)
			r = read_on(volume, NULL, NULL, fault);
	}
	return r < 0 ? r : 0;
}

static void drop_nameless(struct mafs_names *names, uint64_t id)
{
	struct mafs_node *node = mafs_names_node(names, id);

	if (node && !node->n_names && (!node->dir || mafs_names_is_empty(node)))
		mafs_names_drop(names, node);
}

struct follower {
	struct mafs_memory_volume *volume;
	mafs_seen_fn *seen;
	void *context;
};

/* What loses its last name goes at once. What never had one may be named yet
 * (O_TMPFILE). */
static void follow_entry(void *context, const struct mafs_entry *entry)
{
	const struct follower *follower = context;
	struct mafs_names *names = follower->volume->names;

	if (follower->seen)
		follower->seen(follower->context, entry);
	if (entry->type == MAFS_OMF_UNNAME)
		drop_nameless(names, entry->name.id);
	else if (entry->type == MAFS_OMF_RENAME)
		drop_nameless(names, entry->rename.other);
}

int mafs_memory_volume_follow(struct mafs_memory_volume *volume,
			      mafs_seen_fn *seen, void *context,
			      struct mafs_fault *fault)
{
	static const struct mafs_memory_volume_options found = {
		.incomplete = true,
	};
	struct follower follower = { volume, seen, context };
	size_t n_records = volume->n_records;
	int n_entries, err;

	if (!volume->reader) /* of a shadow */
		return 0;
	n_entries = read_on(volume, follow_entry, &follower, fault);
	/* What a checkpoint has changed in it, too. */
	if (n_entries > 0)
		(void)mafs_superblock_read(
			&mafs_pool_device(volume->pool, 0)->media, &volume->sb,
			NULL, NULL);
	if (n_entries < 0 || volume->n_records == n_records)
		return n_entries;
	err = memory_devices_open(volume, &found, fault);
	return err < 0 ? err : n_entries;
}

/* ---- the primary device ---- */

static int check_superblock(const struct mafs_superblock *sb,
			    const char *source, struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&sb->fs_uuid, uuid);
	if (sb->incompat & MAFS_OMF_INCOMPAT_SECONDARY)
		return mafs_fault_set(fault, -EINVAL,
				      "%.200s: a further device of volume %s: "
				      "name its first one",
				      source, uuid);
	if (!(sb->incompat & MAFS_OMF_INCOMPAT_MEMORY))
		return mafs_fault_set(fault, -EINVAL,
				      "%.200s: no memory volume", source);
	return 0;
}

/* What is made now has nothing yet. */
static int format_memfd(struct mafs_device *device, struct mafs_fault *fault)
{
	struct mafs_device_format format = {};

	mafs_uuid_generate(&format.fs_uuid);
	return mafs_device_format(device, &format, fault);
}

static int open_device(const struct mafs_device_spec *spec, const char *source,
		       bool read_only, struct mafs_device **ret,
		       struct mafs_fault *fault)
{
	bool fresh = spec->kind == MAFS_DEVICE_MEMFD;
	struct mafs_device *device;
	struct mafs_superblock sb;
	int err;

	err = mafs_device_open(spec, fresh, read_only, false, &device, fault);
	if (err)
		return err;
	if (fresh)
		err = format_memfd(device, fault);
	if (!err)
		err = mafs_superblock_read(&device->media, &sb, NULL, fault);
	if (err == -ENODATA)
		mafs_fault_set(fault, err,
			       "%.200s: not formatted; see mafs mkfs", source);
	if (!err)
		err = check_superblock(&sb, source, fault);
	if (err) {
		mafs_device_close(device);
		return err;
	}
	*ret = device;
	return 0;
}

static int open_primary(struct mafs_memory_volume *volume,
			const struct mafs_memory_volume_options *options,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	struct mafs_device *device;
	int err;

	err = mafs_device_spec_parse(options->source, &spec, fault);
	if (!err)
		err = open_device(&spec, options->source, volume->is_client,
				  &device, fault);
	if (err)
		return err;
	err = mafs_pool_new(&volume->pool);
	if (!err)
		err = mafs_pool_add(volume->pool, device);
	if (err) {
		mafs_device_close(device);
		return mafs_fault_set(fault, err, "%.200s: %s", options->source,
				      strerror(-err));
	}
	return 0;
}

/* What we are, and the primary device opened accordingly. */
static int open_as(struct mafs_memory_volume *volume,
		   const struct mafs_memory_volume_options *options,
		   struct mafs_fault *fault)
{
	bool elsewhere = false;
	int err;

	volume->is_client = options->role == MAFS_ROLE_CLIENT;
	err = open_primary(volume, options, fault);
	if (err || volume->is_client || options->role != MAFS_ROLE_AUTO ||
	    options->takeover)
		return err;
	err = memory_master_is_elsewhere(mafs_pool_device(volume->pool, 0),
					 &elsewhere, fault);
	if (err || !elsewhere)
		return err;
	mafs_pool_free(take_ptr(volume->pool));
	volume->is_client = true;
	return open_primary(volume, options, fault);
}

/* ---- to write ---- */

static int claim_node(struct mafs_pool *pool, struct mafs_node *node,
		      struct mafs_fault *fault)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = {};
	struct mafs_fault why = MAFS_FAULT_INIT;
	int err;

	if (!S_ISREG(node->mode) || !node->map.n_extents)
		return 0;
	err = mafs_layout_from_map(pool, &node->map, &layout, &why);
	if (!err)
		err = mafs_pool_claim(pool, &layout, &why);
	if (!err || err == -ENOMEM)
		return err;
	return mafs_fault_at(fault, err == -ENODEV ? err : -EUCLEAN,
			     why.media_offset,
			     "inode %llu: %.300s; see mafs "
			     "fsck",
			     (unsigned long long)node->id, why.what);
}

struct claims {
	struct mafs_pool *pool;
	struct mafs_fault *fault;
};

static int visit_claim(void *context, struct mafs_node *node)
{
	const struct claims *claims = context;

	return claim_node(claims->pool, node, claims->fault);
}

static int give_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct mafs_memory_volume *volume = context;
	uint64_t cursor = 0;
	int r;

	r = mafs_memory_volume_emit_devices(volume, emit, emit_context);
	while (r >= 0) {
		r = mafs_names_emit(volume->names, &cursor, SIZE_MAX, emit,
				    emit_context);
		if (r <= 0)
			break;
	}
	return r;
}

/* The master's place, and what was appended before it was ours. */
static int become_master(struct mafs_memory_volume *volume, bool takeover,
			 bool *ret_took, struct mafs_fault *fault)
{
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);
	int r;

	r = memory_master_become(device, takeover, &volume->epoch, ret_took,
				 fault);
	if (r < 0)
		return r;
	r = read_on(volume, NULL, NULL, fault);
	if (r == -ESTALE)
		r = replay(volume, fault);
	if (r < 0)
		return r;
	return mafs_superblock_read(&device->media, &volume->sb, NULL, fault);
}

static int open_log(struct mafs_memory_volume *volume, struct mafs_fault *fault)
{
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);
	struct claims claims = { volume->pool, fault };
	int err;

	err = mafs_names_visit(volume->names, visit_claim, &claims);
	if (!err)
		err = mafs_log_open(&device->media, &volume->sb, &volume->end,
				    &volume->log, fault);
	if (!err)
		mafs_log_reader_close(take_ptr(volume->reader));
	return err;
}

static int open_to_write(struct mafs_memory_volume *volume,
			 const struct mafs_memory_volume_options *options,
			 struct mafs_fault *fault)
{
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);
	bool took = false;
	int err;

	err = become_master(volume, options->takeover, &took, fault);
	if (!err)
		err = mafs_device_alloc_begin(device, &volume->sb, fault);
	if (!err)
		err = memory_devices_open(volume, options, fault);
	if (err)
		return err;
	mafs_names_settle(volume->names, NULL, NULL);
	err = open_log(volume, fault);
	/* The old master's last store, if it comes yet, meets an old lap. */
	if (!err && took)
		err = mafs_log_checkpoint(volume->log, give_live, volume,
					  fault);
	if (!err)
		err = memory_devices_make(volume, options, fault);
	return err;
}

/* ---- open and close ---- */

static int open_volume(struct mafs_memory_volume *volume,
		       const struct mafs_memory_volume_options *options,
		       struct mafs_fault *fault)
{
	int err;

	err = mafs_device_spec_absolute(options->source, &volume->source,
					fault);
	if (!err)
		err = open_as(volume, options, fault);
	if (!err)
		err = replay(volume, fault);
	if (err)
		return err;
	volume->uuid = volume->sb.fs_uuid;
	if (!volume->is_client)
		return open_to_write(volume, options, fault);
	err = memory_devices_open(volume, options, fault);
	return err;
}

int mafs_memory_volume_open(const struct mafs_memory_volume_options *options,
			    struct mafs_memory_volume **ret,
			    struct mafs_fault *fault)
{
	struct mafs_memory_volume *volume = calloc(1, sizeof(*volume));
	int err;

	if (!volume)
		return -ENOMEM;
	err = open_volume(volume, options, fault);
	if (err) {
		mafs_memory_volume_close(volume);
		return err;
	}
	*ret = volume;
	return 0;
}

void mafs_memory_volume_close(struct mafs_memory_volume *volume)
{
	if (!volume)
		return;
	mafs_log_reader_close(volume->reader);
	mafs_log_close(volume->log);
	if (volume->epoch)
		memory_master_resign(mafs_pool_device(volume->pool, 0),
				     volume->epoch);
	memory_devices_done(volume);
	mafs_names_free(volume->names);
	mafs_pool_free(volume->pool);
	free(volume->source);
	free(volume);
}
