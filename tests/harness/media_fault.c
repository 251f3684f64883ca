// SPDX-License-Identifier: Apache-2.0
/*
 * A mafs_media that stops, fails, tears and reorders. Stores between two
 * flushes are kept in order; a crash lets any of them through, whole or in
 * part. Truncation takes effect at once, with what it cuts off. For tests with
 * one thread.
 */
#include "media_fault.h"

#include <mafs/cleanup.h>
#include <string.h>

struct store {
	enum mafs_region region;
	uint64_t offset;
	size_t len;
	uint8_t *bytes;
};

struct media_fault {
	struct mafs_media media;
	struct media_memory *seen;
	struct media_memory *persistent;
	struct store *stores; /* not flushed, oldest first */
	size_t n_stores;
	unsigned count;
	unsigned at;
	int err;
	bool stays;
};

static struct media_fault *to_fault(struct mafs_media *media)
{
	return mafs_container_of(media, struct media_fault, media);
}

static int count_op(struct media_fault *fault)
{
	fault->count++;
	if (!fault->at || fault->count < fault->at)
		return 0;
	return fault->count == fault->at || fault->stays ? fault->err : 0;
}

static void store_into(struct media_memory *memory, const struct store *store,
		       size_t from, size_t len)
{
	/* Past the end of a fixed slot it was refused when it was made. */
	(void)memory->media.ops->write(&memory->media, store->region,
				       store->offset + from,
				       store->bytes + from, len);
}

static void keep_store(struct media_fault *fault, enum mafs_region region,
		       uint64_t offset, const void *bytes, size_t len)
{
	struct store *store;

	fault->stores = reallocarray(fault->stores, fault->n_stores + 1,
				     sizeof(*fault->stores));
	if (!fault->stores)
		abort();
	store = &fault->stores[fault->n_stores++];
	*store = (struct store){ region, offset, len, malloc(len) };
	if (!store->bytes)
		abort();
	memcpy(store->bytes, bytes, len);
}

static void drop_store(struct media_fault *fault, size_t i)
{
	free(fault->stores[i].bytes);
	memmove(&fault->stores[i], &fault->stores[i + 1],
		(fault->n_stores - i - 1) * sizeof(*fault->stores));
	fault->n_stores--;
}

static ssize_t fault_read(struct mafs_media *media, enum mafs_region region,
			  uint64_t offset, void *bytes, size_t len)
{
	struct mafs_media *seen = &to_fault(media)->seen->media;

	return seen->ops->read(seen, region, offset, bytes, len);
}

static int fault_write(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, const void *bytes, size_t len)
{
	struct media_fault *fault = to_fault(media);
	struct mafs_media *seen = &fault->seen->media;
	bool stopped = fault->stays && fault->at && fault->count >= fault->at;
	int err = count_op(fault), seen_err;

	/* Nothing is stored by those who are dead. */
	if (stopped)
		return err;
	seen_err = seen->ops->write(seen, region, offset, bytes, len);
	if (seen_err)
		return seen_err;
	keep_store(fault, region, offset, bytes, len);
	return err;
}

static int fault_flush(struct mafs_media *media, enum mafs_region region,
		       uint64_t offset, size_t len)
{
	struct media_fault *fault = to_fault(media);
	int err = count_op(fault);

	if (err)
		return err;
	for (size_t i = 0; i < fault->n_stores;) {
		const struct store *store = &fault->stores[i];

		if (store->region != region ||
		    store->offset + store->len <= offset ||
		    offset + len <= store->offset) {
			i++;
			continue;
		}
		store_into(fault->persistent, store, 0, store->len);
		drop_store(fault, i);
	}
	return 0;
}

static int fault_length(struct mafs_media *media, enum mafs_region region,
			uint64_t *ret_bytes)
{
	struct mafs_media *seen = &to_fault(media)->seen->media;

	return seen->ops->length(seen, region, ret_bytes);
}

static int fault_truncate(struct mafs_media *media, enum mafs_region region,
			  uint64_t length)
{
	struct media_fault *fault = to_fault(media);
	struct media_memory *images[] = { fault->seen, fault->persistent };
	int err = count_op(fault);

	if (err)
		return err;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(images); i++)
		(void)images[i]->media.ops->truncate(&images[i]->media, region,
						     length);
	for (size_t i = 0; !fault->seen->fixed && i < fault->n_stores;) {
		struct store *store = &fault->stores[i];

		if (store->region != region ||
		    store->offset + store->len <= length) {
			i++;
		} else if (store->offset >= length) {
			drop_store(fault, i);
		} else {
			store->len = length - store->offset;
			i++;
		}
	}
	return 0;
}

static const struct mafs_media_ops fault_ops = {
	.read = fault_read,
	.write = fault_write,
	.flush = fault_flush,
	.length = fault_length,
	.truncate = fault_truncate,
};

struct media_fault *media_fault_new(struct media_memory *from)
{
	struct media_fault *fault = calloc(1, sizeof(*fault));

	if (!fault)
		abort();
	fault->media.ops = &fault_ops;
	fault->seen = media_memory_clone(from);
	fault->persistent = media_memory_clone(from);
	return fault;
}

void media_fault_free(struct media_fault *fault)
{
	if (!fault)
		return;
	while (fault->n_stores)
		drop_store(fault, fault->n_stores - 1);
	free(fault->stores);
	media_memory_free(fault->seen);
	media_memory_free(fault->persistent);
	free(fault);
}

struct mafs_media *media_fault_media(struct media_fault *fault)
{
	return &fault->media;
}

static void arm(struct media_fault *fault, unsigned n, int err, bool stays)
{
	fault->count = 0;
	fault->at = n;
	fault->err = err;
	fault->stays = stays;
}

void media_fault_stop_at(struct media_fault *fault, unsigned n, int err)
{
	arm(fault, n, err, true);
}

void media_fault_fail_at(struct media_fault *fault, unsigned n, int err)
{
	arm(fault, n, err, false);
}

unsigned media_fault_count(const struct media_fault *fault)
{
	return fault->count;
}

bool media_fault_hit(const struct media_fault *fault)
{
	return fault->at && fault->count >= fault->at;
}

static void crash_store(struct media_memory *image, const struct store *store,
			enum media_fault_crash how)
{
	size_t half = store->len / 2;

	switch (how) {
	case CRASH_FRONT_HALF:
		store_into(image, store, 0, half);
		break;
	case CRASH_BACK_HALF:
		store_into(image, store, half, store->len - half);
		break;
	case CRASH_ODD_LINES:
		for (size_t at = 64; at < store->len; at += 128) {
			size_t left = store->len - at;

			store_into(image, store, at, left < 64 ? left : 64);
		}
		break;
	default:
		store_into(image, store, 0, store->len);
		break;
	}
}

struct media_memory *media_fault_crash(struct media_fault *fault,
				       enum media_fault_crash how)
{
	struct media_memory *image = media_memory_clone(fault->persistent);
	size_t first = 0, end = fault->n_stores;

	if (how == CRASH_NONE)
		end = 0;
	if (how == CRASH_LAST_ONLY && end)
		first = end - 1;
	if (how == CRASH_FIRST_ONLY && end)
		end = 1;
	for (size_t i = first; i < end; i++)
		crash_store(image, &fault->stores[i], how);
	return image;
}
