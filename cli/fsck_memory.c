// SPDX-License-Identifier: Apache-2.0
/* mafs fsck of a memory volume: checks, mends what is beyond doubt, checks
 * again, reports for people. */
#include "fsck_memory.h"

#include "names.h"

#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/diag.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

#define PATH_WIDTH_MAX 48

/* ---- files ---- */

void mafs_fsck_files_done(struct mafs_fsck_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->list[i].path);
	free(files->list);
}

struct finding_files {
	struct mafs_memory_check *check;
	struct mafs_fsck_files *files;
};

static int add_file(void *context, struct mafs_node *node)
{
	struct finding_files *finding = context;
	struct mafs_fsck_files *files = finding->files;
	size_t capacity = files->capacity ? 2 * files->capacity : 64;
	struct mafs_fsck_file *list;
	char *path;

	if (!S_ISREG(node->mode) || !node->names)
		return 0;
	if (files->n == files->capacity) {
		list = reallocarray(files->list, capacity, sizeof(*list));
		if (!list)
			return -ENOMEM;
		files->list = list;
		files->capacity = capacity;
	}
	path = mafs_memory_check_path(finding->check, node);
	if (!path)
		path = strdup("?");
	if (!path)
		return -ENOMEM;
	files->list[files->n++] = (struct mafs_fsck_file){ path, node };
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	const struct mafs_fsck_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int mafs_fsck_files_find(struct mafs_memory_check *check,
			 struct mafs_fsck_files *ret)
{
	struct finding_files finding = { check, ret };
	int r;

	if (!check->volume || !check->volume->names)
		return 0;
	r = mafs_names_visit(check->volume->names, add_file, &finding);
	if (r == 0 && ret->n)
		qsort(ret->list, ret->n, sizeof(*ret->list), compare_paths);
	return r;
}

/* ---- the report ---- */

static void print_log(const struct mafs_memory_check *check)
{
	const struct mafs_log_position *end = &check->volume->end;
	char device[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(&check->sb.device_uuid, device);
	printf("first device %s, superblock copy %d, generation %" PRIu64
	       "%s\n",
	       device, check->sb_copy + 1, check->sb.generation,
	       check->live ? ", mounted" : "");
	printf("%s: %" PRIu64 " entries in %" PRIu64
	       " batches, up to sequence %" PRIu64 ", tail %s\n",
	       mafs_region_to_text(end->region), check->n_entries,
	       check->n_batches, end->seq,
	       !check->log_whole                         ? "not reached" :
	       check->volume->tail == MAFS_LOG_TAIL_TORN ? "torn" :
							   "clean");
}

static void print_spaces(const struct mafs_memory_check *check)
{
	struct mafs_pool *pool = check->volume->pool;

	printf("\n%-36s %8s %8s %8s %9s %8s\n", "DEVICE", "SIZE", "LOG", "FREE",
	       "RUNS", "LARGEST");
	for (uint32_t i = 0; i < mafs_pool_n_devices(pool); i++) {
		const struct mafs_device_space *space = &check->spaces[i];
		char uuid[MAFS_UUID_TEXT_LEN];
		char text[4][MAFS_SIZE_TEXT_LEN];

		mafs_uuid_to_text(&mafs_pool_device(pool, i)->uuid, uuid);
		mafs_size_to_text(space->size_bytes, text[0]);
		mafs_size_to_text(space->log_bytes, text[1]);
		mafs_size_to_text(space->free_bytes, text[2]);
		mafs_size_to_text(space->largest_free_bytes, text[3]);
		printf("%s %8s %8s %8s %9" PRIu64 " %8s\n", uuid, text[0],
		       text[1], text[2], space->n_free_runs, text[3]);
	}
}

static void print_extent(const struct mafs_extent *extent)
{
	char uuid[MAFS_UUID_TEXT_LEN];

	if (mafs_uuid_is_null(&extent->device_uuid)) {
		printf(" %-36s %14s %12" PRIu64, "hole", "",
		       extent->length_bytes);
		return;
	}
	mafs_uuid_to_text(&extent->device_uuid, uuid);
	printf(" %s %14" PRIu64 " %12" PRIu64, uuid, extent->offset_bytes,
	       extent->length_bytes);
}

static int print_files(struct mafs_memory_check *check)
{
	_cleanup_(mafs_fsck_files_done) struct mafs_fsck_files files = {};
	int r = mafs_fsck_files_find(check, &files);

	if (r < 0)
		return r;
	printf("\n%-*s %12s %-36s %14s %12s\n", PATH_WIDTH_MAX, "PATH", "SIZE",
	       "DEVICE", "OFFSET", "LENGTH");
	for (size_t i = 0; i < files.n; i++) {
		const struct mafs_node *node = files.list[i].node;
		_cleanup_free_ char *path = mafs_name_shown(files.list[i].path);

		printf("%-*s %12" PRIu64, PATH_WIDTH_MAX, path ? path : "?",
		       node->size_bytes);
		for (size_t e = 0; e < node->map.n_extents; e++) {
			if (e)
				printf("\n%*s", PATH_WIDTH_MAX + 13, "");
			print_extent(&node->map.extents[e]);
		}
		putchar('\n');
	}
	return 0;
}

static void print_summary(const struct mafs_fsck_memory *fsck)
{
	const struct mafs_memory_check *check = &fsck->check;
	size_t n_errors = check->found.n_of_kind[MAFS_FINDING_ERROR];

	if (check->log_whole)
		printf("%" PRIu64 " files of %" PRIu64 " bytes in %" PRIu64
		       " extents, %" PRIu64 " directories, %" PRIu64
		       " others\n",
		       check->n_files, check->file_bytes, check->n_extents,
		       check->n_dirs, check->n_others);
	if (n_errors)
		printf("%zu error%s; %s\n", n_errors, n_errors == 1 ? "" : "s",
		       fsck->n_mended ? "the rest was mended" :
					"nothing was changed");
	else
		puts(fsck->n_mended ? "no errors are left" : "no errors");
}

int mafs_fsck_memory_report_text(struct mafs_fsck_memory *fsck)
{
	struct mafs_memory_check *check = &fsck->check;
	char uuid[MAFS_UUID_TEXT_LEN];

	mafs_fsck_print_findings(&fsck->mended);
	if (check->have_sb) {
		mafs_uuid_to_text(&check->sb.fs_uuid, uuid);
		printf("volume %s\n", uuid);
		print_log(check);
	}
	mafs_fsck_print_findings(&check->found);
	print_summary(fsck);
	if (check->spaces)
		print_spaces(check);
	return fsck->extents && check->have_sb ? print_files(check) : 0;
}

/* ---- all together ---- */

static int check(struct mafs_fsck_memory *fsck, struct mafs_fault *fault)
{
	size_t n_errors;
	int r = mafs_memory_check(&fsck->options, &fsck->check, fault);

	if (r < 0 || !fsck->repair)
		return r;
	n_errors = fsck->check.found.n_of_kind[MAFS_FINDING_ERROR];
	r = mafs_memory_repair(&fsck->options, &fsck->check, &fsck->mended,
			       &fsck->n_mended, fault);
	if (r < 0 || !fsck->n_mended)
		return r;
	mafs_memory_check_done(&fsck->check);
	r = mafs_memory_check(&fsck->options, &fsck->check, fault);
	if (r == 0 &&
	    fsck->check.found.n_of_kind[MAFS_FINDING_ERROR] > n_errors)
		return mafs_fault_set(fault, -EIO,
				      "there are more errors than before");
	return r;
}

int mafs_fsck_memory(struct mafs_fsck_memory *fsck)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r = check(fsck, &fault);

	if (r == 0) {
		fsck->exit_code = fsck->n_mended ? MAFS_FSCK_CORRECTED :
						   MAFS_FSCK_OK;
		if (fsck->check.found.n_of_kind[MAFS_FINDING_ERROR])
			fsck->exit_code |= MAFS_FSCK_UNCORRECTED;
		r = fsck->as_json ? mafs_fsck_memory_report_json(fsck) :
				    mafs_fsck_memory_report_text(fsck);
	}
	if (r < 0) {
		mafs_error("fsck: %s",
			   fault.what[0] ? fault.what : strerror(-r));
		fsck->exit_code = MAFS_FSCK_ERROR;
	}
	mafs_memory_check_done(&fsck->check);
	mafs_findings_done(&fsck->mended);
	return fsck->exit_code;
}
