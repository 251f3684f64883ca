// SPDX-License-Identifier: Apache-2.0
/*
 * The checker of memory volumes: the superblocks, the chains of the log's
 * segments, each entry and what it means, the further devices; then, of what
 * the log says, the names and the space. Of a log that breaks off only what
 * stands before is judged.
 *
 * Beside a master the device changes while it is read, and what was seen at
 * two moments may not fit together: then all is looked at once more, and only
 * what is found each time counts.
 */
#include "memory_check.h"

#include "names_shadow.h"

#include <errno.h>
#include <limits.h>
#include <mafs/cleanup.h>
#include <string.h>

/* A log that is checkpointed away faster than it can be read. */
#define REPLAY_ATTEMPTS 8
#define LIVE_ATTEMPTS 4

void mafs_memory_check_done(struct mafs_memory_check *check)
{
	mafs_findings_done(&check->found);
	mafs_memory_volume_close(check->volume);
	free(check->spaces);
	*check = (struct mafs_memory_check){};
}

char *mafs_memory_check_path(struct mafs_memory_check *check,
			     const struct mafs_node *node)
{
	struct mafs_names *names = check->volume->names;
	struct mafs_buffer path = {};
	int r = -ENOENT;

	if (node->id == MAFS_OMF_ROOT_ID)
		return strdup("/");
	if (node->names)
		r = names_path_of_name(names, node->names, false, &path);
	if (r == 0)
		return (char *)path.bytes;
	mafs_buffer_done(&path);
	return NULL;
}

const char *memory_check_title(struct mafs_memory_check *check,
			       const struct mafs_node *node)
{
	static _Thread_local char title[200];
	_cleanup_free_ char *path = mafs_memory_check_path(check, node);

	(void)snprintf(title, sizeof(title), "inode %llu (%.150s)",
		       (unsigned long long)node->id,
		       path ? path : "no path leads there");
	return title;
}

static bool is_fault_of_media(int err)
{
	return err == -EUCLEAN || err == -EBADMSG || err == -EPROTO ||
	       err == -EOPNOTSUPP || err == -EEXIST || err == -ERANGE ||
	       err == -ENODEV || err == -ENODATA || err == -EINVAL;
}

/* Media that is wrong is a finding, all else an error. */
static int found(struct mafs_memory_check *check, int err,
		 const struct mafs_fault *fault)
{
	if (err >= 0 || !is_fault_of_media(err) || !fault->what[0])
		return err < 0 ? err : 0;
	return mafs_findings_add(&check->found, MAFS_FINDING_ERROR, fault);
}

/* ---- the log ---- */

static void count_entry(struct mafs_memory_check *check,
			const struct mafs_log_position *position)
{
	const struct mafs_log_position *last = &check->volume->end;

	if (!check->n_entries++ || last->region != position->region ||
	    last->batch_number != position->batch_number)
		check->n_batches++;
	check->volume->end = *position;
}

static int entry_found(struct mafs_memory_check *check, int err,
		       const struct mafs_entry *entry,
		       const struct mafs_log_position *position,
		       const struct mafs_fault *why)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (err != -EUCLEAN)
		return err;
	mafs_fault_at(&fault, err, position->record_offset,
		      "%s: batch %llu: %s: %.300s",
		      mafs_region_to_text(position->region),
		      (unsigned long long)position->batch_number,
		      mafs_entry_type_to_text(entry->type), why->what);
	fault.seq = entry->seq;
	return mafs_findings_add(&check->found, MAFS_FINDING_ERROR, &fault);
}

static int take_entry(struct mafs_memory_check *check,
		      const struct mafs_entry *entry,
		      const struct mafs_log_position *position)
{
	struct mafs_memory_volume *volume = check->volume;
	struct mafs_fault why;
	int r;

	mafs_fault_clear(&why);
	count_entry(check, position);
	if (entry->type == MAFS_OMF_DEVICE_ADD)
		return memory_devices_note(volume, entry);
	if (entry->type >= MAFS_OMF_MAP && entry->type < MAFS_OMF_NODE)
		r = mafs_fault_set(&why, -EUCLEAN, "of a tiered volume");
	else
		r = mafs_names_apply(volume->names, entry, &why);
	return r < 0 ? entry_found(check, r, entry, position, &why) : 0;
}

static void reader_closep(struct mafs_log_reader **reader)
{
	mafs_log_reader_close(*reader);
}

/* Once through it. Return: 0; -ESTALE; -errno with the fault. */
static int read_log_once(struct mafs_memory_check *check,
			 struct mafs_fault *fault)
{
	_cleanup_(reader_closep) struct mafs_log_reader *reader = NULL;
	struct mafs_memory_volume *volume = check->volume;
	struct mafs_log_position position;
	struct mafs_entry entry;
	int r;

	check->n_entries = check->n_batches = 0;
	volume->end = (struct mafs_log_position){};
	mafs_names_free(take_ptr(volume->names));
	memory_devices_done(volume);
	r = mafs_names_new(&volume->names);
	if (r == 0)
		r = mafs_log_reader_open(
			&mafs_pool_device(volume->pool, 0)->media, &reader,
			&volume->sb, fault);
	while (r == 0) {
		r = mafs_log_reader_next(reader, &entry, &position, fault);
		if (r <= 0)
			break;
		r = take_entry(check, &entry, &position);
		mafs_entry_done(&entry);
	}
	if (r < 0)
		return r;
	mafs_log_reader_end(reader, &volume->end);
	volume->tail = mafs_log_reader_tail(reader);
	check->log_whole = true;
	return 0;
}

static int note_tail(struct mafs_memory_check *check)
{
	const struct mafs_log_position *end = &check->volume->end;
	struct mafs_fault fault = MAFS_FAULT_INIT;

	if (check->volume->tail != MAFS_LOG_TAIL_TORN)
		return 0;
	mafs_fault_at(&fault, 0, end->batch_offset,
		      "%s: ends in a batch that was being stored, which never "
		      "counted",
		      mafs_region_to_text(end->region));
	return mafs_findings_add(&check->found, MAFS_FINDING_NOTE, &fault);
}

static int read_log(struct mafs_memory_check *check)
{
	size_t n_errors = check->found.n_of_kind[MAFS_FINDING_ERROR];
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = -ESTALE;

	for (int i = 0; i < REPLAY_ATTEMPTS && r == -ESTALE; i++) {
		/* What was said of a log that is gone is said again. */
		if (check->found.n_of_kind[MAFS_FINDING_ERROR] > n_errors)
			break;
		r = read_log_once(check, &fault);
	}
	if (r == 0)
		return note_tail(check);
	return found(check, r, &fault);
}

/* ---- devices ---- */

/* Which of its units are free, apart from files. */
static int begin_space(struct mafs_memory_check *check,
		       struct mafs_device *device,
		       const struct mafs_superblock *sb)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = mafs_device_alloc_begin(device, sb, &fault);

	return found(check, r, &fault);
}

static int check_further(struct mafs_memory_check *check,
			 const struct mafs_memory_check_options *options)
{
	const struct mafs_memory_volume_options how = {
		.devices = options->devices,
		.n_devices = options->n_devices,
		.incomplete = true,
	};
	struct mafs_memory_volume *volume = check->volume;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct checked_superblock copies;
	int r;

	r = found(check, memory_devices_open(volume, &how, &fault), &fault);
	for (size_t i = 0; r == 0 && i < volume->n_records; i++) {
		char uuid[MAFS_UUID_TEXT_LEN];

		mafs_uuid_to_text(&volume->records[i].uuid, uuid);
		if (volume->records[i].missing)
			r = mafs_findings_say(
				&check->found, MAFS_FINDING_ERROR,
				"device %s is missing (it was %.200s): say "
				"where it is with --device",
				uuid,
				volume->records[i].spec ?
					volume->records[i].spec :
					"nowhere that is known");
	}
	for (uint32_t i = 1; r == 0 && i < mafs_pool_n_devices(volume->pool);
	     i++) {
		struct mafs_device *device = mafs_pool_device(volume->pool, i);

		r = check_superblocks(&check->found, &device->media, &copies);
		if (r == 0 && copies.have)
			r = begin_space(check, device, &copies.sb);
	}
	return r;
}

static int check_mapped(struct mafs_memory_check *check,
			const struct mafs_memory_check_options *options)
{
	struct mafs_device *device = mafs_pool_device(check->volume->pool, 0);
	int r;

	/* Before the log is read: what it frees later was in use. */
	r = begin_space(check, device, &check->sb);
	if (r == 0)
		r = read_log(check);
	if (r == 0 && check->volume->names)
		r = check_further(check, options);
	if (r == 0 && check->log_whole)
		r = memory_check_names(check);
	if (r == 0)
		r = memory_check_space(check);
	if (r == 0 && check->log_whole && options->shadow)
		r = memory_check_shadow(check, options);
	return r;
}

static int check_primary(struct mafs_memory_check *check,
			 const struct mafs_memory_check_options *options,
			 struct mafs_fault *fault)
{
	struct mafs_memory_volume *volume = check->volume;
	struct mafs_device *device = mafs_pool_device(volume->pool, 0);
	struct checked_superblock copies;
	int r = check_superblocks(&check->found, &device->media, &copies);

	if (r < 0)
		return mafs_fault_set(fault, r, "superblock: %s", strerror(-r));
	check->have_sb = copies.have;
	if (!copies.have)
		return 0;
	if (copies.sb.incompat & MAFS_OMF_INCOMPAT_SECONDARY ||
	    !(copies.sb.incompat & MAFS_OMF_INCOMPAT_MEMORY))
		return mafs_fault_set(fault, -EINVAL,
				      "%.200s: not the first device of a "
				      "memory volume",
				      options->source);
	check->sb = volume->sb = copies.sb;
	check->sb_copy = copies.copy;
	check->live = memory_master_is_alive(device, &copies.sb);
	check->bad_copies = copies.bad[0] || copies.bad[1] || copies.blank[0] ||
			    copies.blank[1];
	volume->uuid = copies.sb.fs_uuid;
	if (copies.blank[0] || copies.blank[1])
		r = mafs_findings_say(&check->found, MAFS_FINDING_ERROR,
				      "superblock: copy %d is missing",
				      copies.blank[0] ? 1 : 2);
	return r < 0 ? r : check_mapped(check, options);
}

/* The device of @check->volume, whatever stands on it. */
static int open_primary(struct mafs_memory_check *check,
			const struct mafs_memory_check_options *options,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec spec = {};
	struct mafs_memory_volume *volume = calloc(1, sizeof(*volume));
	struct mafs_device *device;
	int r;

	check->volume = volume;
	if (!volume)
		return -ENOMEM;
	volume->is_client = true;
	r = mafs_device_spec_parse(options->source, &spec, fault);
	if (r == 0)
		r = mafs_device_spec_absolute(options->source, &volume->source,
					      fault);
	if (r == 0)
		r = mafs_pool_new(&volume->pool);
	if (r == 0)
		r = mafs_device_open(&spec, false, true, false, &device, fault);
	if (r < 0)
		return r;
	/* Without a valid superblock it has neither; nothing is mapped then. */
	if (!device->unit_bytes)
		device->unit_bytes = 4096;
	r = mafs_pool_add(volume->pool, device);
	if (r < 0)
		mafs_device_close(device);
	return r;
}

static int check_once(const struct mafs_memory_check_options *options,
		      struct mafs_memory_check *check, struct mafs_fault *fault)
{
	int r = open_primary(check, options, fault);

	/* Cut short under its superblock. */
	if (r == -EUCLEAN)
		return found(check, r, fault);
	return r < 0 ? r : check_primary(check, options, fault);
}

int mafs_memory_check(const struct mafs_memory_check_options *options,
		      struct mafs_memory_check *ret, struct mafs_fault *fault)
{
	int r = 0;

	*ret = (struct mafs_memory_check){};
	for (int i = 0; i < LIVE_ATTEMPTS; i++) {
		mafs_memory_check_done(ret);
		r = check_once(options, ret, fault);
		if (r < 0 || !ret->live ||
		    !ret->found.n_of_kind[MAFS_FINDING_ERROR])
			break;
	}
	return r;
}
