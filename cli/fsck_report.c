// SPDX-License-Identifier: Apache-2.0
/* fsck's report for people. */
#include "fsck_report.h"

#include "fsck_findings.h"
#include "names.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>

#define PATH_WIDTH_MAX 48

static int count_one(void *context, struct mafs_hot *hot)
{
	struct mafs_fsck_counts *counts = context;

	counts->n_clean += hot->state == MAFS_HOT_CLEAN;
	counts->n_dirty += hot->state == MAFS_HOT_DIRTY;
	counts->n_writing += hot->state == MAFS_HOT_WRITING;
	return 0;
}

void mafs_fsck_count(const struct mafs_check *check,
		     struct mafs_fsck_counts *ret)
{
	*ret = (struct mafs_fsck_counts){ 0 };
	mafs_hot_visit(check->hot, count_one, ret);
}

static void print_device(const struct mafs_check *check)
{
	const struct mafs_superblock *sb = &check->sb;
	char device[MAFS_UUID_TEXT_LEN];

	if (!check->have_sb)
		return;
	mafs_uuid_to_text(&sb->device_uuid, device);
	printf("memory device %s, superblock copy %d, generation %" PRIu64 "\n",
	       device, check->sb_copy + 1, sb->generation);
	printf("%s: %" PRIu64 " entries in %" PRIu64
	       " batches, up to sequence %" PRIu64 ", tail %s\n",
	       mafs_region_to_text(check->end.region), check->n_entries,
	       check->n_batches, check->end.seq,
	       !check->log_whole                 ? "not reached" :
	       check->tail == MAFS_LOG_TAIL_TORN ? "torn" :
						   "clean");
}

static void print_summary(const struct mafs_fsck *fsck)
{
	const struct mafs_check *check = fsck->check;
	size_t n_errors = check->found.n_of_kind[MAFS_FINDING_ERROR];
	struct mafs_fsck_counts counts;

	mafs_fsck_count(check, &counts);
	if (check->log_whole)
		printf("%zu files in memory: %zu clean, %zu dirty, %zu being written "
		       "back; %zu memory files, %zu of no file\n",
		       mafs_hot_count(check->hot), counts.n_clean,
		       counts.n_dirty, counts.n_writing,
		       check->inventory.n_files,
		       check->found.n_of_kind[MAFS_FINDING_ORPHAN]);
	if (n_errors)
		printf("%zu error%s; nothing was changed\n", n_errors,
		       n_errors == 1 ? "" : "s");
	else
		printf("no errors\n");
}

/* The first column: a path, or what is known of a file without one. */
static char *title_of(const struct mafs_descriptor *descriptor)
{
	_cleanup_free_ char *hint = NULL;
	char *title = NULL;

	if (descriptor->path)
		return mafs_name_shown(descriptor->path);
	hint = mafs_name_shown(descriptor->hint ? descriptor->hint : "?");
	if (!hint || asprintf(&title, "(not found: %s)", hint) < 0)
		return NULL;
	return title;
}

static int print_file(const struct mafs_hot_files *files, size_t i)
{
	_cleanup_(
		mafs_descriptor_done) struct mafs_descriptor descriptor = { 0 };
	_cleanup_free_ char *title = NULL;
	int r;

	r = mafs_hot_files_describe(files, i, &descriptor);
	if (r < 0)
		return r;
	title = title_of(&descriptor);
	if (!title)
		return -ENOMEM;
	printf("%-*s %-7s %12" PRIu64, PATH_WIDTH_MAX, title,
	       mafs_descriptor_state_to_text(descriptor.state),
	       descriptor.size_bytes);
	for (size_t e = 0; e < descriptor.map.n_extents; e++) {
		const struct mafs_extent *extent = &descriptor.map.extents[e];
		char uuid[MAFS_UUID_TEXT_LEN];

		mafs_uuid_to_text(&extent->device_uuid, uuid);
		if (e)
			printf("\n%*s", PATH_WIDTH_MAX + 21, "");
		printf(" %s %12" PRIu64 " %12" PRIu64, uuid,
		       extent->offset_bytes, extent->length_bytes);
	}
	putchar('\n');
	return 0;
}

static int print_files(const struct mafs_hot_files *files)
{
	int r = 0;

	if (!files->n_files)
		return 0;
	printf("\n%-*s %-7s %12s %-36s %12s %12s\n", PATH_WIDTH_MAX, "PATH",
	       "STATE", "SIZE", "DEVICE", "OFFSET", "LENGTH");
	for (size_t i = 0; r == 0 && i < files->n_files; i++)
		r = print_file(files, i);
	return r;
}

int mafs_fsck_report_text(const struct mafs_fsck *fsck)
{
	const struct mafs_check *check = fsck->check;
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&fsck->device->volume.uuid, uuid);
	printf("volume %s\n", uuid);
	print_device(check);
	mafs_fsck_print_findings(&check->found);
	print_summary(fsck);
	return fsck->files ? print_files(fsck->files) : 0;
}
