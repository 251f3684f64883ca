// SPDX-License-Identifier: Apache-2.0
/* What the tests of the log have in common. */
#include "log_fixture.h"

#include <mafs/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct mafs_uuid t_uuid = { { 1, 2, 3 } };

struct mafs_superblock t_log_format(struct mafs_media *media,
				    uint64_t slot_bytes)
{
	struct mafs_superblock sb = {
		.incompat = MAFS_OMF_INCOMPAT_TIERED,
		.fs_uuid = t_uuid,
		.device_uuid = t_uuid,
		.device_size_bytes = 1U << 20,
		.slots = { { .length = slot_bytes },
			   { .offset = slot_bytes, .length = slot_bytes } },
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;

	assert_int_equal(mafs_log_format(media, &sb, &fault), 0);
	return sb;
}

struct mafs_log *t_log_open(struct mafs_media *media)
{
	_cleanup_replayed_ struct t_replayed replayed = t_replay(media);
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_superblock sb;
	struct mafs_log *log;

	assert_int_equal(replayed.result, 0);
	assert_int_equal(mafs_superblock_read(media, &sb, NULL, &fault), 0);
	assert_int_equal(mafs_log_open(media, &sb, &replayed.end, &log, &fault),
			 0);
	return log;
}

struct mafs_entry t_map(uint64_t id)
{
	static struct mafs_extent extent = { { { 0xe0 } }, 0, 4096 };
	struct mafs_entry entry = {
		.type = MAFS_OMF_MAP,
		.map = {
			.id = id,
			.flags = MAFS_OMF_MAP_DIRTY,
			.identity = { .fs_id = t_uuid, .ino = id },
			.hint = { .name = "name" },
			.map = { .extents = &extent, .n_extents = 1 },
		},
	};

	return entry;
}

struct mafs_entry t_writing(uint64_t id)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_WRITING,
		.id = { .id = id },
	};

	return entry;
}

int t_append(struct mafs_log *log, uint64_t id)
{
	struct mafs_entry entry = t_writing(id);

	return mafs_log_append(log, &entry, 1, NULL);
}

void t_replayed_done(struct t_replayed *replayed)
{
	free(replayed->ids);
	replayed->ids = NULL;
}

static uint64_t entry_id(const struct mafs_entry *entry)
{
	return entry->type == MAFS_OMF_MAP ? entry->map.id : entry->id.id;
}

void t_read_on(struct mafs_log_reader *reader, struct t_replayed *replayed)
{
	struct mafs_log_position position;
	struct mafs_entry entry;

	while ((replayed->result = mafs_log_reader_next(
			reader, &entry, &position, &replayed->fault)) == 1) {
		bool live = entry.type == MAFS_OMF_MAP &&
			    position.seq == replayed->end.seq;

		replayed->end.seq = position.seq;
		if (live) {
			replayed->n_live++;
		} else if (entry.type >= MAFS_OMF_MAP) {
			replayed->ids = reallocarray(replayed->ids,
						     replayed->n_ids + 1,
						     sizeof(uint64_t));
			assert_non_null(replayed->ids);
			replayed->ids[replayed->n_ids++] = entry_id(&entry);
		}
		mafs_entry_done(&entry);
	}
	replayed->tail = mafs_log_reader_tail(reader);
	mafs_log_reader_end(reader, &replayed->end);
}

struct t_replayed t_replay(struct mafs_media *media)
{
	struct t_replayed replayed = { .fault = MAFS_FAULT_INIT };
	struct mafs_log_reader *reader;

	replayed.result =
		mafs_log_reader_open(media, &reader, NULL, &replayed.fault);
	if (replayed.result)
		return replayed;
	t_read_on(reader, &replayed);
	mafs_log_reader_close(reader);
	return replayed;
}
