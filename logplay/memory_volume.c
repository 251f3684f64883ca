// SPDX-License-Identifier: Apache-2.0
/*
 * Opens a memory volume. Order: primary device (locked by a master), superblock,
 * replay into the namespace, the devices that the log names, claims of all
 * that files have, and last the master's record, after which the log may be
 * appended to. Nothing is stored before all of it was found valid.
 */
#include "memory_volume.h"

#include <string.h>

/* ---- replay ---- */

/**
 * struct replaying - the sink: names, and the devices that the log names
 */
struct replaying {
	struct mafs_memory_volume *volume;
	struct mafs_fault *fault;
};

static int add_named(struct mafs_memory_volume *volume,
		     const struct mafs_entry_device *device)
{
	struct memory_devices *devices = &volume_of(volume)->named;
	struct mafs_entry_device *list, *last;

	for (size_t i = 0; i < devices->n; i++)
		if (mafs_uuid_equal(&devices->list[i].device_uuid,
				    &device->device_uuid))
			return 0; /* a checkpoint says it again */
	list = reallocarray(devices->list, devices->n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	devices->list = list;
	last = &list[devices->n];
	*last = *device;
	last->spec = device->spec ? strdup(device->spec) : NULL;
	if (device->spec && !last->spec)
		return -ENOMEM;
	devices->n++;
	return 0;
}

static int replay_begin(void *sink, const struct mafs_superblock *sb)
{
	struct replaying *replaying = sink;

	return mafs_names_replay_ops.begin(replaying->volume->names, sb);
}

static int replay_entry(void *sink, const struct mafs_entry *entry,
			const struct mafs_log_position *position)
{
	struct replaying *replaying = sink;
	struct mafs_fault why = MAFS_FAULT_INIT;
	int r;

	if (entry->type == MAFS_OMF_DEVICE_ADD)
		return add_named(replaying->volume, &entry->device);
	r = mafs_names_apply(replaying->volume->names, entry, &why);
	if (r == 0)
		return 0;
	if (replaying->fault)
		replaying->fault->seq = position->seq;
	return mafs_fault_at(replaying->fault, r, position->record_offset,
			     "%s: entry %llu: %s",
			     mafs_region_to_text(position->region),
			     (unsigned long long)position->seq, why.what);
}

static int replay_end(void *sink, enum mafs_log_tail tail,
		      const struct mafs_log_position *end)
{
	struct replaying *replaying = sink;

	replaying->volume->tail = tail;
	replaying->volume->end = *end;
	return 0;
}

static const struct mafs_replay_ops replay_ops = {
	.begin = replay_begin,
	.entry = replay_entry,
	.end = replay_end,
};

static struct mafs_media *media_of(struct mafs_memory_volume *volume)
{
	return &mafs_pool_device(volume->pool, 0)->media;
}

static int replay(struct mafs_memory_volume *volume, struct mafs_fault *fault)
{
	struct replaying replaying = { .volume = volume, .fault = fault };
	int r;

	r = mafs_log_reader_open(media_of(volume), &volume->reader, &volume->sb,
				 fault);
	if (r < 0)
		return r;
	r = mafs_names_replay_ops.begin(volume->names, &volume->sb);
	if (r == 0)
		r = mafs_replay_follow(volume->reader, &replay_ops, &replaying,
				       fault);
	if (r < 0)
		return r;
	mafs_names_settle(volume->names, NULL, NULL);
	return 0;
}

/* ---- devices ---- */

static int check_superblock(const struct mafs_superblock *sb,
			    const char *source, struct mafs_fault *fault)
{
	if (sb->incompat & MAFS_OMF_INCOMPAT_SECONDARY)
		return mafs_fault_set(fault, -EINVAL,
				      "%s is another device of a volume; name "
				      "its primary one",
				      source);
	if (!(sb->incompat & MAFS_OMF_INCOMPAT_MEMORY))
		return mafs_fault_set(fault, -EINVAL,
				      "%s holds no memory volume", source);
	return 0;
}

/* A memfd lives with its process: it is made here. */
static int format_memfd(struct mafs_device *device, struct mafs_fault *fault)
{
	struct mafs_device_format format = { 0 };

	mafs_uuid_generate(&format.fs_uuid);
	return mafs_device_format(device, &format, fault);
}

static int open_device(const char *text, bool client, bool lock,
		       struct mafs_device **ret, struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = { 0 };
	bool memfd;
	int r;

	r = mafs_device_spec_parse(text, &spec, fault);
	if (r < 0)
		return r;
	memfd = spec.kind == MAFS_DEVICE_MEMFD;
	spec.size_bytes = memfd ? spec.size_bytes : 0;
	r = mafs_device_open(&spec, memfd, client, lock, ret, fault);
	if (r == 0 && memfd)
		r = format_memfd(*ret, fault);
	return r;
}

static int open_primary(struct mafs_memory_volume *volume, bool lock,
			struct mafs_fault *fault)
{
	struct mafs_device *device = NULL;
	int r;

	r = open_device(volume->source, volume->is_client, lock, &device,
			fault);
	if (r == 0)
		r = mafs_superblock_read(&device->media, &volume->sb, NULL,
					 fault);
	if (r == -ENODATA)
		r = mafs_fault_set(fault, r,
				   "%s is not formatted; mafs mkfs %s makes it "
				   "a memory volume",
				   volume->source, volume->source);
	if (r == 0)
		r = check_superblock(&volume->sb, volume->source, fault);
	if (r == 0 && !volume->is_client)
		r = mafs_device_alloc_begin(device, &volume->sb, fault);
	if (r == 0)
		r = mafs_pool_add(volume->pool, device);
	if (r < 0)
		mafs_device_close(device);
	else
		volume->uuid = volume->sb.fs_uuid;
	return r;
}

/* Return: 0; -ENODEV: not the one. */
static int open_named(struct mafs_memory_volume *volume, const char *text,
		      const struct mafs_uuid *uuid, struct mafs_fault *fault)
{
	struct mafs_device *device = NULL;
	struct mafs_superblock sb;
	int r;

	r = open_device(text, volume->is_client, false, &device, fault);
	if (r < 0)
		return -ENODEV;
	r = mafs_superblock_read(&device->media, &sb, NULL, fault);
	if (r < 0 || !mafs_uuid_equal(&sb.device_uuid, uuid) ||
	    !mafs_uuid_equal(&sb.fs_uuid, &volume->uuid)) {
		mafs_device_close(device);
		return -ENODEV;
	}
	if (!volume->is_client)
		r = mafs_device_alloc_begin(device, &sb, fault);
	if (r == 0)
		r = mafs_pool_add(volume->pool, device);
	if (r < 0)
		mafs_device_close(device);
	return r;
}

static int find_named(struct mafs_memory_volume *volume,
		      const struct mafs_memory_volume_options *options,
		      const struct mafs_entry_device *named,
		      struct mafs_fault *fault)
{
	char uuid[MAFS_UUID_TEXT_LEN];
	int r = -ENODEV;

	for (size_t i = 0; r == -ENODEV && i < options->n_devices; i++)
		r = open_named(volume, options->devices[i], &named->device_uuid,
			       fault);
	if (r == -ENODEV && named->spec)
		r = open_named(volume, named->spec, &named->device_uuid, fault);
	if (r != -ENODEV)
		return r;
	mafs_uuid_to_text(&named->device_uuid, uuid);
	return mafs_fault_set(fault, r,
			      "device %s of %s is missing%s%s; name it with -o "
			      "device=SPEC",
			      uuid, volume->source,
			      named->spec ? ", it was " : "",
			      named->spec ? named->spec : "");
}

static int open_others(struct mafs_memory_volume *volume,
		       const struct mafs_memory_volume_options *options,
		       struct mafs_fault *fault)
{
	const struct memory_devices *named = &volume_of(volume)->named;
	int r = 0;

	for (size_t i = 0; r == 0 && i < named->n; i++)
		if (mafs_pool_find(volume->pool, &named->list[i].device_uuid) <
		    0)
			r = find_named(volume, options, &named->list[i], fault);
	return r;
}

/* ---- space ---- */

struct claiming {
	struct mafs_memory_volume *volume;
	struct mafs_fault *fault;
};

static int claim_node(void *context, struct mafs_node *node)
{
	_cleanup_(mafs_layout_done) struct mafs_layout layout = { 0 };
	struct claiming *claiming = context;
	struct mafs_pool *pool = claiming->volume->pool;
	struct mafs_fault why = MAFS_FAULT_INIT;
	int r;

	r = mafs_layout_from_map(pool, &node->map, &layout, &why);
	if (r == 0)
		r = mafs_pool_claim(pool, &layout, &why);
	return r < 0 ? mafs_fault_at(claiming->fault,
				     r == -EEXIST || r == -ERANGE ? -EUCLEAN :
								    r,
				     why.media_offset, "inode %llu: %s",
				     (unsigned long long)node->id, why.what) :
		       0;
}

static int claim(struct mafs_memory_volume *volume, struct mafs_fault *fault)
{
	struct claiming claiming = { .volume = volume, .fault = fault };

	return mafs_names_visit(volume->names, claim_node, &claiming);
}

/* ---- life ---- */

static int open_all(struct mafs_memory_volume *volume,
		    const struct mafs_memory_volume_options *options,
		    struct mafs_fault *fault)
{
	int r;

	r = mafs_memory_role(volume, options, fault);
	if (r < 0)
		return r;
	r = replay(volume, fault);
	if (r == 0)
		r = open_others(volume, options, fault);
	if (r < 0 || volume->is_client)
		return r;
	r = claim(volume, fault);
	if (r == 0)
		r = mafs_memory_become_master(volume, fault);
	if (r == 0)
		r = mafs_log_open(media_of(volume), &volume->sb, &volume->end,
				  &volume->log, fault);
	mafs_log_reader_close(take_ptr(volume->reader));
	return r;
}

int mafs_memory_open_primary(struct mafs_memory_volume *volume, bool client,
			     bool lock, struct mafs_fault *fault)
{
	mafs_pool_free(take_ptr(volume->pool));
	volume->is_client = client;
	if (mafs_pool_new(&volume->pool) < 0)
		return -ENOMEM;
	return open_primary(volume, lock, fault);
}

int mafs_memory_volume_open(const struct mafs_memory_volume_options *options,
			    struct mafs_memory_volume **ret,
			    struct mafs_fault *fault)
{
	struct opened_memory *opened = calloc(1, sizeof(*opened));
	int r;

	if (!opened)
		return -ENOMEM;
	opened->volume.source = strdup(options->source);
	r = opened->volume.source ? mafs_names_new(&opened->volume.names) :
				    -ENOMEM;
	if (r == 0)
		r = open_all(&opened->volume, options, fault);
	if (r < 0) {
		opened->volume.epoch = 0; /* nothing of ours to give up */
		mafs_memory_volume_close(&opened->volume);
		return r;
	}
	*ret = &opened->volume;
	return 0;
}

void mafs_memory_volume_close(struct mafs_memory_volume *volume)
{
	struct memory_devices *named;

	if (!volume)
		return;
	if (volume->log)
		mafs_log_close(volume->log);
	mafs_memory_resign(volume);
	mafs_log_reader_close(volume->reader);
	mafs_names_free(volume->names);
	mafs_pool_free(volume->pool);
	named = &volume_of(volume)->named;
	for (size_t i = 0; i < named->n; i++)
		free(named->list[i].spec);
	free(named->list);
	free(volume->source);
	free(volume_of(volume));
}

int mafs_memory_volume_emit_devices(struct mafs_memory_volume *volume,
				    mafs_log_emit_fn *emit, void *emit_context)
{
	const struct memory_devices *named = &volume_of(volume)->named;
	int r = 0;

	for (size_t i = 0; r == 0 && i < named->n; i++) {
		const struct mafs_entry entry = {
			.type = MAFS_OMF_DEVICE_ADD,
			.device = named->list[i],
		};

		r = emit(emit_context, &entry);
	}
	return r;
}
