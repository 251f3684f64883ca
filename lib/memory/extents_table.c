// SPDX-License-Identifier: Apache-2.0
/*
 * The table of memory files: which slots are free, and one struct node for
 * each file that somebody has open, so that all who have it open see the same.
 *
 * A tag is eight random bytes and the slot's offset: it leads to the slot, and
 * whose slot it was before does not match it.
 */
#include "extents.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define GROW_BYTES (64U << 10)

static uint64_t offset_of_tag(const struct mafs_uuid *tag)
{
	uint64_t offset;

	memcpy(&offset, tag->bytes + 8, sizeof(offset));
	return be64toh(offset);
}

static struct mafs_uuid tag_of_offset(uint64_t offset)
{
	struct mafs_uuid tag;

	mafs_uuid_generate(&tag);
	offset = htobe64(offset);
	memcpy(tag.bytes + 8, &offset, sizeof(offset));
	return tag;
}

static bool segment_has(const struct segment *segment, uint64_t offset)
{
	return offset > segment->offset &&
	       (offset - segment->offset) % MAFS_OMF_FILE_BYTES == 0 &&
	       mafs_range_fits(offset - segment->offset, MAFS_OMF_FILE_BYTES,
			       segment->length);
}

/* Is there a slot at @offset? Segments are never given back. */
static bool is_slot(struct extents *e, uint64_t offset)
{
	const struct chain *chain = &e->mapped->chains[MAFS_OMF_TABLE_SLOT];
	mafs_guard(&e->mapped->base.lock);

	/* A daemon beside us may have added one. */
	if (e->read_only) {
		chain_forget(&e->mapped->chains[MAFS_OMF_TABLE_SLOT]);
		if (chain_follow(e->mapped, MAFS_OMF_TABLE_SLOT, UINT64_MAX,
				 NULL) < 0)
			return false;
	}
	for (size_t i = 0; i < chain->n; i++)
		if (segment_has(&chain->segments[i], offset))
			return true;
	return false;
}

/* ---- free slots; e->lock held ---- */

static int add_free(struct extents *e, uint64_t offset)
{
	size_t capacity = e->free_capacity ? 2 * e->free_capacity : 64;
	uint64_t *slots;

	if (e->n_free == e->free_capacity) {
		slots = reallocarray(e->free_slots, capacity, sizeof(*slots));
		if (!slots)
			return -ENOMEM;
		e->free_slots = slots;
		e->free_capacity = capacity;
	}
	e->free_slots[e->n_free++] = offset;
	return 0;
}

static int add_segment_slots(struct extents *e, const struct segment *segment)
{
	uint64_t n = segment->length / MAFS_OMF_FILE_BYTES;
	int r = 0;

	for (uint64_t i = n - 1; r == 0 && i > 0; i--)
		r = add_free(e, segment->offset + i * MAFS_OMF_FILE_BYTES);
	return r;
}

static int grow_table(struct extents *e)
{
	struct chain *chain = &e->mapped->chains[MAFS_OMF_TABLE_SLOT];
	size_t n = chain->n;
	int r;

	if (mapped_room(e->mapped) < GROW_BYTES)
		return -ENOSPC;
	r = chain_grow(e->mapped, MAFS_OMF_TABLE_SLOT,
		       chain->bytes + GROW_BYTES / 2);
	/* It may have grown before it failed. */
	for (size_t i = n; i < chain->n; i++)
		if (add_segment_slots(e, &chain->segments[i]) < 0)
			return -ENOMEM;
	return e->n_free ? 0 : r < 0 ? r : -ENOSPC;
}

/* ---- all slots ---- */

int extents_each_slot(struct extents *e, slot_fn *visit, void *context)
{
	struct chain *chain = &e->mapped->chains[MAFS_OMF_TABLE_SLOT];
	struct segment *segments;
	size_t n;
	int r = 0;

	pthread_mutex_lock(&e->mapped->base.lock);
	if (e->read_only) {
		chain_forget(chain);
		r = chain_follow(e->mapped, MAFS_OMF_TABLE_SLOT, UINT64_MAX,
				 NULL);
	}
	n = chain->n;
	segments = calloc(n + 1, sizeof(*segments));
	if (segments && n)
		memcpy(segments, chain->segments, n * sizeof(*segments));
	pthread_mutex_unlock(&e->mapped->base.lock);
	if (!segments)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		for (uint64_t at = MAFS_OMF_FILE_BYTES;
		     r == 0 && at + MAFS_OMF_FILE_BYTES <= segments[i].length;
		     at += MAFS_OMF_FILE_BYTES)
			r = visit(e, context, segments[i].offset + at);
	free(segments);
	return r;
}

static int claim_lists(struct extents *e, const struct content *content,
		       struct mafs_fault *fault)
{
	struct mafs_run run = { .length = extents_unit(e) };
	const struct mafs_layout one = { .runs = &run, .n_runs = 1 };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < content->n_lists; i++) {
		run.offset = content->lists[i];
		r = mafs_pool_claim(e->pool, &one, fault);
	}
	return r;
}

static int claim_slot(struct extents *e, void *context, uint64_t offset)
{
	struct mafs_fault *fault = context;
	struct content content;
	int r;

	r = content_load(e, offset, &content, NULL, NULL, fault);
	if (r == -ENOENT)
		return e->read_only ? 0 : add_free(e, offset);
	if (r < 0)
		return r;
	r = mafs_pool_claim(e->pool, &content.layout, fault);
	if (r == 0)
		r = claim_lists(e, &content, fault);
	e->used_bytes += mafs_layout_bytes(&content.layout);
	e->n_files++;
	content_done(&content);
	return r;
}

int extents_table_begin(struct extents *e, struct mafs_fault *fault)
{
	struct mafs_superblock sb;
	int r;

	r = mafs_superblock_read(&e->mapped->base.media, &sb, NULL, fault);
	if (r == 0)
		r = mafs_device_alloc_begin(&e->mapped->base, &sb, fault);
	if (r < 0)
		return r;
	e->used_bytes = 0;
	e->n_files = 0;
	e->n_free = 0;
	r = extents_each_slot(e, claim_slot, fault);
	/* The first slots are taken first. */
	for (size_t i = 0; i < e->n_free / 2; i++) {
		uint64_t *other = &e->free_slots[e->n_free - 1 - i];
		uint64_t slot = *other;

		*other = e->free_slots[i];
		e->free_slots[i] = slot;
	}
	return r;
}

void extents_table_done(struct extents *e)
{
	free(e->free_slots);
}

/* ---- nodes ---- */

static struct node **bucket_of(struct extents *e, uint64_t offset)
{
	return &e->buckets[offset / MAFS_OMF_FILE_BYTES % EXTENTS_N_BUCKETS];
}

static struct node *node_new(void)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->n_refs = 1;
	pthread_rwlock_init(&node->lock, NULL);
	pthread_mutex_init(&node->state_lock, NULL);
	return node;
}

static void node_free(struct node *node)
{
	content_done(&node->content);
	pthread_rwlock_destroy(&node->lock);
	pthread_mutex_destroy(&node->state_lock);
	free(node);
}

/* Context: e->lock held. */
static void hash(struct extents *e, struct node *node)
{
	struct node **bucket = bucket_of(e, node->content.offset);

	node->next = *bucket;
	*bucket = node;
}

static void unhash(struct extents *e, struct node *node)
{
	struct node **at = bucket_of(e, node->content.offset);

	while (*at && *at != node)
		at = &(*at)->next;
	if (*at)
		*at = node->next;
}

int extents_node_make(struct extents *e, const void *id, size_t id_len,
		      struct node **ret)
{
	struct node *node = node_new();
	struct content *content;
	int r = 0;
	mafs_guard(&e->lock);

	if (!node)
		return -ENOMEM;
	if (!e->n_free)
		r = grow_table(e);
	if (r < 0) {
		node_free(node);
		return r;
	}
	content = &node->content;
	content->offset = e->free_slots[e->n_free - 1];
	content->tag = tag_of_offset(content->offset);
	clock_gettime(CLOCK_REALTIME_COARSE, &content->mtime);
	content->atime = content->mtime;
	r = content_create(e, content, id, id_len);
	if (r < 0) {
		node_free(node);
		return r;
	}
	e->n_free--;
	e->n_files++;
	hash(e, node);
	*ret = node;
	return 0;
}

static struct node *find(struct extents *e, const struct mafs_uuid *tag,
			 uint64_t offset)
{
	struct node *node = *bucket_of(e, offset);

	while (node &&
	       (node->removed || !mafs_uuid_equal(&node->content.tag, tag)))
		node = node->next;
	return node;
}

int extents_node_get(struct extents *e, const struct mafs_uuid *tag,
		     struct node **ret)
{
	uint64_t offset = offset_of_tag(tag);
	struct node *node;
	int r;
	mafs_guard(&e->lock);

	node = e->read_only ? NULL : find(e, tag, offset);
	if (node) {
		node->n_refs++;
		*ret = node;
		return 0;
	}
	if (!is_slot(e, offset))
		return -ENOENT;
	node = node_new();
	if (!node)
		return -ENOMEM;
	r = content_load(e, offset, &node->content, NULL, NULL, NULL);
	if (r == 0 && !mafs_uuid_equal(&node->content.tag, tag))
		r = -ENOENT;
	if (r < 0) {
		node_free(node);
		return r;
	}
	if (!e->read_only)
		hash(e, node);
	*ret = node;
	return 0;
}

static void give_all(struct extents *e, struct content *content)
{
	struct old_lists lists = { content->lists, content->n_lists };

	mafs_pool_give(e->pool, &content->layout, true);
	e->used_bytes -= mafs_layout_bytes(&content->layout);
	content->lists = NULL;
	content->n_lists = 0;
	extents_give_lists(e, &lists);
}

void extents_node_put(struct extents *e, struct node *node)
{
	pthread_mutex_lock(&e->lock);
	if (--node->n_refs) {
		pthread_mutex_unlock(&e->lock);
		return;
	}
	if (!e->read_only && !node->removed)
		unhash(e, node);
	pthread_mutex_unlock(&e->lock);
	extents_drop_ahead(e, node);
	if (node->removed)
		give_all(e, &node->content);
	node_free(node);
}

int extents_node_remove(struct extents *e, struct node *node)
{
	uint64_t *magic =
		(uint64_t *)(void *)extents_at(e, node->content.offset);
	int r = 0;

	/* Nobody is publishing, and nobody will. */
	pthread_rwlock_wrlock(&node->lock);
	extents_drop_ahead(e, node);
	pthread_mutex_lock(&e->lock);
	if (!node->removed)
		r = mafs_guarded_store(magic, 0);
	if (r == 0 && !node->removed) {
		node->removed = true;
		unhash(e, node);
		e->n_files--;
		/* Without memory for it, until the next attach. */
		(void)add_free(e, node->content.offset);
	}
	pthread_mutex_unlock(&e->lock);
	pthread_rwlock_unlock(&node->lock);
	return r;
}
