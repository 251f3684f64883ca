// SPDX-License-Identifier: Apache-2.0
/*
 * Compares what the log says of each hot file with the memory files: there is
 * one, of the right size, with the right identity, and no other file's.
 */
#include "checker.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/size.h>
#include <string.h>

struct walk {
	struct mafs_check *check;
	uint64_t settled_seq;
};

/* Printable, for a message. */
static void name_of(const struct mafs_hot *hot, char *ret, size_t len)
{
	size_t i;

	for (i = 0; i + 1 < len && hot->hint.name[i]; i++)
		ret[i] = (unsigned char)hot->hint.name[i] < 0x20 ||
					 hot->hint.name[i] == 0x7f ?
				 '?' :
				 hot->hint.name[i];
	ret[i] = '\0';
}

static int say(struct walk *walk, const struct mafs_hot *hot, const char *what)
{
	char name[128];

	name_of(hot, name, sizeof(name));
	return mafs_findings_say(&walk->check->found, MAFS_FINDING_ERROR,
				 "file %" PRIu64 " (%s): %s", hot->id, name,
				 what);
}

static int check_map(struct walk *walk, const struct mafs_hot *hot)
{
	char what[64];

	if (hot->map.n_extents != 1) {
		snprintf(what, sizeof(what),
			 "its map has %zu extents, on this device it has one",
			 hot->map.n_extents);
		return say(walk, hot, what);
	}
	if (hot->map.extents[0].offset_bytes != 0) {
		snprintf(what, sizeof(what),
			 "its extent begins at %" PRIu64 ", not at 0",
			 hot->map.extents[0].offset_bytes);
		return say(walk, hot, what);
	}
	return 0;
}

/* What is kept with a memory file is a `map` record. One that cannot be read
 * tells nothing against the file. */
static bool id_agrees(const struct mafs_hot *hot,
		      const struct mafs_memory_info *info)
{
	_cleanup_(mafs_entry_done) struct mafs_entry entry = { 0 };
	size_t length;

	if (!info->id ||
	    mafs_entry_decode(info->id, info->id_len, &entry, &length, NULL) <
		    0 ||
	    entry.type != MAFS_OMF_MAP)
		return true;
	return mafs_identity_equal(&entry.map.identity, &hot->identity);
}

static int check_memory_file(struct walk *walk, const struct mafs_hot *hot,
			     struct mafs_memory_info *info)
{
	char uuid[MAFS_UUID_TEXT_LEN], what[200];
	bool settled = hot->seq <= walk->settled_seq;
	int r = 0;

	mafs_uuid_to_text(&hot->map.extents[0].device_uuid, uuid);
	if (!info) {
		if (!settled)
			return 0;
		snprintf(what, sizeof(what), "its memory file %s is missing",
			 uuid);
		return say(walk, hot, what);
	}

	if (info->n_owners++) {
		snprintf(what, sizeof(what),
			 "its memory file %s is also that of file %" PRIu64,
			 uuid, info->owner);
		r = say(walk, hot, what);
	} else {
		info->owner = hot->id;
	}
	if (r == 0 && settled && hot->state == MAFS_HOT_CLEAN &&
	    info->size_bytes != hot->fingerprint.size_bytes) {
		snprintf(what, sizeof(what),
			 "clean with %" PRIu64 " bytes, but its memory file %s "
			 "has %" PRIu64,
			 hot->fingerprint.size_bytes, uuid, info->size_bytes);
		r = say(walk, hot, what);
	}
	if (r == 0 && !id_agrees(hot, info)) {
		snprintf(what, sizeof(what),
			 "its memory file %s carries another file's identity",
			 uuid);
		r = say(walk, hot, what);
	}
	return r;
}

static int check_hot(void *context, struct mafs_hot *hot)
{
	struct walk *walk = context;
	size_t n_errors = walk->check->found.n_of_kind[MAFS_FINDING_ERROR];
	int r;

	r = check_map(walk, hot);
	if (r < 0 ||
	    walk->check->found.n_of_kind[MAFS_FINDING_ERROR] > n_errors)
		return r;
	return check_memory_file(
		walk, hot,
		mafs_inventory_find(&walk->check->inventory,
				    &hot->map.extents[0].device_uuid));
}

static int name_orphans(struct mafs_check *check)
{
	char uuid[MAFS_UUID_TEXT_LEN], size[MAFS_SIZE_TEXT_LEN];
	int r;

	for (size_t i = 0; i < check->inventory.n_files; i++) {
		const struct mafs_memory_info *info =
			&check->inventory.files[i];

		if (info->n_owners)
			continue;
		mafs_uuid_to_text(&info->tag, uuid);
		mafs_size_to_text(info->allocated_bytes, size);
		r = mafs_findings_say(&check->found, MAFS_FINDING_ORPHAN,
				      "memory file %s (%s) belongs to no file",
				      uuid, size);
		if (r < 0)
			return r;
	}
	return 0;
}

int mafs_check_files(struct mafs_check *check, uint64_t settled_seq)
{
	struct walk walk = { .check = check, .settled_seq = settled_seq };
	int r;

	r = mafs_hot_visit(check->hot, check_hot, &walk);
	return r < 0 ? r : name_orphans(check);
}
