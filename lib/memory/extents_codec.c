// SPDX-License-Identifier: Apache-2.0
/* What stands with a memory file on the device: places and checksums. */
#include "extents.h"

#include <endian.h>
#include <errno.h>
#include <mafs/crc.h>
#include <string.h>

static const uint64_t run_bytes = sizeof(struct mafs_omf_run);

uint32_t extents_runs_per_list(const struct extents *e)
{
	return (uint32_t)((extents_unit(e) - sizeof(struct mafs_omf_run_list)) /
			  run_bytes);
}

void content_done(struct content *content)
{
	mafs_layout_done(&content->layout);
	free(content->lists);
	*content = (struct content){ 0 };
}

/* ---- checksums ---- */

uint32_t omf_head_crc(const struct mafs_omf_memory_file *file)
{
	uint32_t crc = mafs_crc32c(0, file->tag, sizeof(file->tag));

	crc = mafs_crc32c(crc, &file->id_len, sizeof(file->id_len));
	return mafs_crc32c(crc, file->id, sizeof(file->id));
}

uint32_t omf_state_crc(const struct mafs_uuid *tag,
		       const struct mafs_omf_file_state *state)
{
	struct mafs_omf_file_state copy = *state;

	copy.crc = 0;
	return mafs_crc32c(mafs_crc32c(0, tag->bytes, sizeof(tag->bytes)),
			   &copy, sizeof(copy));
}

uint32_t omf_list_crc(const struct mafs_omf_run_list *list)
{
	struct mafs_omf_run_list copy = *list;

	copy.crc = 0;
	copy.next = 0;
	return mafs_crc32c(0, &copy, sizeof(copy));
}

struct mafs_omf_run omf_run_encode(const struct mafs_run *run)
{
	return (struct mafs_omf_run){
		.file_offset = htole64(run->file_offset),
		.offset = htole64(run->offset),
		.length = htole64(run->length),
	};
}

uint32_t content_runs_crc(struct content *content)
{
	const struct mafs_layout *layout = &content->layout;
	uint32_t n_whole = layout->n_runs ? layout->n_runs - 1 : 0;
	struct mafs_omf_run run;

	if (content->n_done > n_whole)
		content->n_done = content->done_crc = 0;
	for (; content->n_done < n_whole; content->n_done++) {
		run = omf_run_encode(&layout->runs[content->n_done]);
		content->done_crc =
			mafs_crc32c(content->done_crc, &run, sizeof(run));
	}
	if (!layout->n_runs)
		return 0;
	run = omf_run_encode(&layout->runs[n_whole]);
	return mafs_crc32c(content->done_crc, &run,
			   offsetof(struct mafs_omf_run, length));
}

/* ---- places ---- */

uint64_t content_run_at(const struct extents *e, const struct content *content,
			uint32_t i)
{
	uint32_t n = extents_runs_per_list(e);

	if (!content->n_lists)
		return content->offset +
		       offsetof(struct mafs_omf_memory_file, runs) +
		       i * run_bytes;
	return content->lists[i / n] + sizeof(struct mafs_omf_run_list) +
	       i % n * run_bytes;
}

int content_reserve_list(struct content *content)
{
	uint32_t capacity = 2 * content->lists_capacity + 4;
	uint64_t *lists;

	if (content->n_lists < content->lists_capacity)
		return 0;
	lists = reallocarray(content->lists, capacity, sizeof(*lists));
	if (!lists)
		return -ENOMEM;
	content->lists = lists;
	content->lists_capacity = capacity;
	return 0;
}

void content_to_stat(const struct content *content, bool removed,
		     struct stat *ret)
{
	*ret = (struct stat){
		.st_mode = S_IFREG | 0600,
		.st_ino = content->offset,
		.st_nlink = !removed,
		.st_size = (off_t)content->size_bytes,
		.st_blksize = 4096,
		.st_blocks =
			(blkcnt_t)(mafs_layout_bytes(&content->layout) / 512),
		.st_atim = content->atime,
		.st_mtim = content->mtime,
		.st_ctim = content->mtime,
	};
}
