// SPDX-License-Identifier: Apache-2.0
/*
 * One memory file from its slot. What is read may be stored just now by a
 * daemon beside us: what is wrong is only wrong when it is so again and again.
 */
#include "extents.h"

#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

#define ATTEMPTS 50
#define NSEC_MAX 1000000000U

static int say(const struct content *content, int err, const char *what,
	       struct mafs_fault *fault)
{
	return mafs_fault_at(fault, err, content->offset, "memory file: %s",
			     what);
}

static bool state_is_valid(const struct content *content,
			   const struct mafs_omf_file_state *state)
{
	return le32toh(state->crc) == omf_state_crc(&content->tag, state) &&
	       le64toh(state->size) <= INT64_MAX &&
	       le32toh(state->mtime_nsec) < NSEC_MAX &&
	       le32toh(state->atime_nsec) < NSEC_MAX;
}

/* The one that counts; NULL: none does. */
static const struct mafs_omf_file_state *
state_of(const struct content *content, const struct mafs_omf_memory_file *file)
{
	const struct mafs_omf_file_state *a = NULL, *b = NULL;

	if (state_is_valid(content, &file->states[0]))
		a = &file->states[0];
	if (state_is_valid(content, &file->states[1]))
		b = &file->states[1];
	if (!a || !b)
		return a ? a : b;
	return (int32_t)(le32toh(a->generation) - le32toh(b->generation)) > 0 ?
		       a :
		       b;
}

/* Where list @index stands, checked; and where the next one does. */
static int load_list(const struct extents *e, struct content *content,
		     uint64_t offset, uint64_t *ret_next)
{
	struct mafs_omf_run_list head;
	int r;

	if (offset % extents_unit(e) ||
	    !mafs_range_fits(offset, extents_unit(e), e->mapped->data_bytes))
		return -EUCLEAN;
	r = mafs_guarded_copy(&head, extents_at(e, offset), sizeof(head));
	if (r < 0)
		return r;
	if (le64toh(head.magic) != MAFS_OMF_RUN_LIST_MAGIC ||
	    le32toh(head.crc) != omf_list_crc(&head) ||
	    memcmp(head.tag, content->tag.bytes, sizeof(head.tag)) != 0 ||
	    le32toh(head.index) != content->n_lists)
		return -EBADMSG;
	r = content_reserve_list(content);
	if (r < 0)
		return r;
	content->lists[content->n_lists++] = offset;
	*ret_next = le64toh(head.next);
	return 0;
}

static int take_run(const struct extents *e, struct content *content,
		    const struct mafs_omf_run *media, uint64_t length)
{
	struct mafs_layout *layout = &content->layout;
	const struct mafs_run run = {
		.file_offset = le64toh(media->file_offset),
		.offset = le64toh(media->offset),
		.length = length,
	};
	uint64_t unit = extents_unit(e), end;
	uint32_t n = layout->n_runs;
	int r;

	if (!run.length || run.length % unit || run.offset % unit ||
	    run.file_offset % unit ||
	    !mafs_range_fits(run.offset, run.length, e->mapped->data_bytes) ||
	    !mafs_add_u64(run.file_offset, run.length, &end) ||
	    end > INT64_MAX || run.file_offset < mafs_layout_end(layout))
		return -EUCLEAN;
	r = layout_append(layout, &run);
	/* Such runs are stored as one. */
	return r == 0 && layout->n_runs == n ? -EUCLEAN : r;
}

static int load_runs(const struct extents *e, struct content *content,
		     const struct mafs_omf_file_state *state)
{
	uint32_t n_runs = le32toh(state->n_runs),
		 per_list = extents_runs_per_list(e);
	uint64_t list = le64toh(state->list);
	struct mafs_omf_run run;
	int r = 0;

	if (!list && n_runs > MAFS_OMF_FILE_RUNS)
		return -EUCLEAN;
	for (uint32_t i = 0; r == 0 && i < n_runs; i++) {
		uint64_t length;

		if (le64toh(state->list) && i % per_list == 0)
			r = load_list(e, content, list, &list);
		if (r == 0)
			r = mafs_guarded_copy(
				&run,
				extents_at(e, content_run_at(e, content, i)),
				sizeof(run));
		if (r < 0)
			break;
		length = i + 1 < n_runs ? run.length : state->last_length;
		r = take_run(e, content, &run, le64toh(length));
	}
	if (r == 0 && content_runs_crc(content) != le32toh(state->runs_crc))
		r = -EBADMSG;
	return r;
}

static int load_once(const struct extents *e, struct content *content,
		     struct mafs_omf_memory_file *file,
		     struct mafs_fault *fault)
{
	const struct mafs_omf_file_state *state;
	int r;

	r = mafs_guarded_copy(file, extents_at(e, content->offset),
			      sizeof(*file));
	if (r < 0)
		return say(content, r, "cannot be read", fault);
	if (!file->magic)
		return -ENOENT;
	if (le64toh(file->magic) != MAFS_OMF_FILE_MAGIC)
		return say(content, -EUCLEAN, "bad magic", fault);
	if (le32toh(file->crc) != omf_head_crc(file) ||
	    le16toh(file->id_len) > MAFS_OMF_FILE_ID_MAX)
		return say(content, -EBADMSG, "identity: checksum mismatch",
			   fault);
	memcpy(content->tag.bytes, file->tag, sizeof(file->tag));
	state = state_of(content, file);
	if (!state)
		return say(content, -EBADMSG, "both states are invalid", fault);
	content->size_bytes = le64toh(state->size);
	content->mtime.tv_sec = (time_t)le64toh(state->mtime_sec);
	content->mtime.tv_nsec = le32toh(state->mtime_nsec);
	content->atime.tv_sec = (time_t)le64toh(state->atime_sec);
	content->atime.tv_nsec = le32toh(state->atime_nsec);
	content->generation = le32toh(state->generation);
	r = load_runs(e, content, state);
	return r < 0 ? say(content, r, "its runs are damaged", fault) : 0;
}

int content_load(const struct extents *e, uint64_t offset, struct content *ret,
		 void *ret_id, size_t *ret_id_len, struct mafs_fault *fault)
{
	int n_attempts = e->read_only ? ATTEMPTS : 1;
	struct mafs_omf_memory_file file;
	int r = -EBADMSG;

	for (int i = 0; i < n_attempts; i++) {
		struct content content = { .offset = offset };

		r = load_once(e, &content, &file, fault);
		if (r == 0 && ret_id) {
			*ret_id_len = le16toh(file.id_len);
			memcpy(ret_id, file.id, *ret_id_len);
		}
		if (r == 0)
			*ret = content;
		else
			content_done(&content);
		if (r != -EBADMSG && r != -EUCLEAN)
			break;
		sched_yield();
	}
	return r;
}
