// SPDX-License-Identifier: Apache-2.0
/*
 * One memory file to its slot. Stores in order, as memory sees them (a killed
 * daemon is all that they must outlast):
 *
 *	made		identity, first state; magic
 *	grown		bytes, runs where none counts yet; the other state copy
 *	cut		the other state copy: fewer runs, a shorter last one
 *	else		all runs elsewhere; the other state copy
 *	removed		magic cleared
 *
 * The length of the last run is the state's, so that the run may be stored
 * anew with a later length while the state that stands does not see it.
 */
#include "extents.h"

#include <endian.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* What was stored before is there before what is stored next, also when we are
 * killed in between: that is precise, so the compiler alone has to be told. Who
 * reads beside us goes by checksums. */
static void store_fence(void)
{
	atomic_signal_fence(memory_order_release);
}

static struct mafs_omf_file_state state_encode(struct content *content)
{
	const struct mafs_layout *layout = &content->layout;
	uint32_t n = layout->n_runs;
	struct mafs_omf_file_state state = {
		.size = htole64(content->size_bytes),
		.mtime_sec = htole64((uint64_t)content->mtime.tv_sec),
		.mtime_nsec = htole32((uint32_t)content->mtime.tv_nsec),
		.atime_sec = htole64((uint64_t)content->atime.tv_sec),
		.atime_nsec = htole32((uint32_t)content->atime.tv_nsec),
		.list = htole64(content->n_lists ? content->lists[0] : 0),
		.last_length = htole64(n ? layout->runs[n - 1].length : 0),
		.generation = htole32(content->generation + 1),
		.n_runs = htole32(n),
		.runs_crc = htole32(content_runs_crc(content)),
	};

	state.crc = htole32(omf_state_crc(&content->tag, &state));
	return state;
}

int content_publish(struct extents *e, struct content *content)
{
	struct mafs_omf_file_state state = state_encode(content);
	uint64_t at = content->offset +
		      offsetof(struct mafs_omf_memory_file, states) +
		      (content->generation + 1) % 2 * sizeof(state);
	int r;

	store_fence();
	r = mafs_guarded_copy(extents_at(e, at), &state, sizeof(state));
	store_fence();
	if (r == 0)
		content->generation++;
	return r;
}

int content_create(struct extents *e, struct content *content, const void *id,
		   size_t id_len)
{
	struct mafs_omf_memory_file file = { .id_len = htole16(
						     (uint16_t)id_len) };
	uint8_t *at = extents_at(e, content->offset);
	int r;

	memcpy(file.tag, content->tag.bytes, sizeof(file.tag));
	if (id_len)
		memcpy(file.id, id, id_len);
	file.crc = htole32(omf_head_crc(&file));
	r = mafs_guarded_copy(at, &file, sizeof(file));
	if (r == 0)
		r = content_publish(e, content);
	if (r < 0)
		return r;
	return mafs_guarded_store((uint64_t *)(void *)at,
				  htole64(MAFS_OMF_FILE_MAGIC));
}

static int take_unit(struct extents *e, uint64_t *ret)
{
	uint64_t len;

	return mapped_take(e->mapped, extents_unit(e), 0, ret, &len);
}

static void give_unit(struct extents *e, uint64_t offset)
{
	mapped_give(e->mapped, offset, extents_unit(e));
}

/* One more list, linked behind the last one. */
static int add_list(struct extents *e, struct content *content)
{
	struct mafs_omf_run_list head = {
		.magic = htole64(MAFS_OMF_RUN_LIST_MAGIC),
		.index = htole32(content->n_lists),
	};
	uint64_t offset, next;
	int r;

	r = content_reserve_list(content);
	if (r < 0)
		return r;
	r = take_unit(e, &offset);
	if (r < 0)
		return r;
	memcpy(head.tag, content->tag.bytes, sizeof(head.tag));
	head.crc = htole32(omf_list_crc(&head));
	r = mafs_guarded_copy(extents_at(e, offset), &head, sizeof(head));
	if (r == 0 && content->n_lists) {
		store_fence();
		next = content->lists[content->n_lists - 1] +
		       offsetof(struct mafs_omf_run_list, next);
		r = mafs_guarded_store((uint64_t *)(void *)extents_at(e, next),
				       htole64(offset));
	}
	if (r < 0) {
		give_unit(e, offset);
		return r;
	}
	content->lists[content->n_lists++] = offset;
	return 0;
}

static int store_runs(struct extents *e, struct content *content, uint32_t from)
{
	uint32_t n = content->layout.n_runs,
		 per_list = extents_runs_per_list(e);
	int r = 0;

	while (r == 0 && content->n_lists &&
	       (uint64_t)content->n_lists * per_list < n)
		r = add_list(e, content);
	for (uint32_t i = from; r == 0 && i < n; i++) {
		struct mafs_omf_run run =
			omf_run_encode(&content->layout.runs[i]);

		r = mafs_guarded_copy(extents_at(e,
						 content_run_at(e, content, i)),
				      &run, sizeof(run));
	}
	return r;
}

int content_store_tail(struct extents *e, struct content *content,
		       uint32_t from)
{
	return store_runs(e, content, from);
}

int content_store_anew(struct extents *e, struct content *content,
		       struct old_lists *ret_old)
{
	struct old_lists old = { content->lists, content->n_lists };
	int r = 0;

	content->lists = NULL;
	content->n_lists = content->lists_capacity = 0;
	content->n_done = content->done_crc = 0;
	/* Where they stood in the slot, the slot is taken. */
	if (!old.n_lists || content->layout.n_runs > MAFS_OMF_FILE_RUNS)
		r = add_list(e, content);
	if (r == 0)
		r = store_runs(e, content, 0);
	if (r < 0)
		content_restore(e, content, &old);
	else
		*ret_old = old;
	return r;
}

void content_restore(struct extents *e, struct content *content,
		     struct old_lists *old)
{
	struct old_lists new = { content->lists, content->n_lists };

	extents_give_lists(e, &new);
	content->lists = old->lists;
	content->n_lists = content->lists_capacity = old->n_lists;
	content->n_done = content->done_crc = 0;
	*old = (struct old_lists){ 0 };
}

void extents_give_lists(struct extents *e, struct old_lists *old)
{
	for (uint32_t i = 0; i < old->n_lists; i++)
		give_unit(e, old->lists[i]);
	free(old->lists);
	*old = (struct old_lists){ 0 };
}

/* The first one stays: it says that the runs are not in the slot. */
void content_trim_lists(struct extents *e, struct content *content)
{
	uint32_t per_list = extents_runs_per_list(e);
	uint32_t needed = (content->layout.n_runs + per_list - 1) / per_list;

	if (!needed)
		needed = 1;
	while (content->n_lists > needed)
		give_unit(e, content->lists[--content->n_lists]);
}
