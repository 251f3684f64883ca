/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors and memory files with a bound on their number: a tree of a
 * million files works under `ulimit -n 1024`. What is pinned stays open; of
 * the rest the least recently used is closed when there are too many.
 *
 * Invariant: a slot is in the list exactly while it is open; n_open counts the
 * list. The content of a pinned slot does not change, so that whoever pinned
 * it reads it without the lock. Closing happens outside the lock: it may wait
 * for a disk.
 */
#include "intern.h"

#include <assert.h>

static bool is_open(const struct mafsd_slot *slot)
{
	return slot->fd >= 0 || slot->mem;
}

static void close_content(int fd, struct mafs_memory_file *mem)
{
	if (mem)
		mem->memory->ops->close(mem);
	mafs_closep(&fd);
}

static void list_remove(struct mafsd_slots *slots, struct mafsd_slot *slot)
{
	slot->prev->next = slot->next;
	slot->next->prev = slot->prev;
	slot->prev = slot->next = NULL;
	slots->n_open--;
}

static void list_add_recent(struct mafsd_slots *slots, struct mafsd_slot *slot)
{
	slot->prev = &slots->lru;
	slot->next = slots->lru.next;
	slot->next->prev = slot;
	slots->lru.next = slot;
	slots->n_open++;
}

/* Empties @slot; its content goes to the caller. */
static struct mafsd_slot take_content(struct mafsd_slots *slots,
				      struct mafsd_slot *slot)
{
	struct mafsd_slot content = { .fd = slot->fd, .mem = slot->mem };

	list_remove(slots, slot);
	slot->fd = -1;
	slot->mem = NULL;
	return content;
}

void mafsd_slots_init(struct mafsd_slots *slots, size_t n_max)
{
	pthread_mutex_init(&slots->lock, NULL);
	slots->lru = (struct mafsd_slot){ .fd = -1 };
	slots->lru.prev = slots->lru.next = &slots->lru;
	slots->n_open = 0;
	slots->n_max = n_max;
}

void mafsd_slots_done(struct mafsd_slots *slots)
{
	if (!slots->lru.next)
		return;
	while (slots->lru.next != &slots->lru) {
		struct mafsd_slot content =
			take_content(slots, slots->lru.next);

		close_content(content.fd, content.mem);
	}
	pthread_mutex_destroy(&slots->lock);
	slots->lru.prev = slots->lru.next = NULL;
}

void mafsd_slot_init(struct mafsd_slot *slot)
{
	*slot = (struct mafsd_slot){ .fd = -1 };
}

bool mafsd_slot_pin(struct mafsd_slots *slots, struct mafsd_slot *slot)
{
	mafs_guard(&slots->lock);

	if (!is_open(slot))
		return false;
	slot->n_pins++;
	if (slots->lru.next != slot) {
		list_remove(slots, slot);
		list_add_recent(slots, slot);
	}
	return true;
}

/* Closes the least recently used while there are too many. All may be pinned:
 * then there are too many for a while. */
static void make_room(struct mafsd_slots *slots)
{
	struct mafsd_slot content;
	struct mafsd_slot *slot;

	for (;;) {
		pthread_mutex_lock(&slots->lock);
		slot = slots->lru.prev;
		if (slots->n_open <= slots->n_max)
			slot = &slots->lru;
		while (slot != &slots->lru && slot->n_pins)
			slot = slot->prev;
		if (slot == &slots->lru)
			break;
		content = take_content(slots, slot);
		pthread_mutex_unlock(&slots->lock);
		close_content(content.fd, content.mem);
	}
	pthread_mutex_unlock(&slots->lock);
}

void mafsd_slot_fill(struct mafsd_slots *slots, struct mafsd_slot *slot, int fd,
		     struct mafs_memory_file *mem)
{
	bool was_open;

	pthread_mutex_lock(&slots->lock);
	was_open = is_open(slot);
	slot->n_pins++;
	if (!was_open) {
		slot->fd = fd;
		slot->mem = mem;
		list_add_recent(slots, slot);
	}
	pthread_mutex_unlock(&slots->lock);

	if (was_open)
		close_content(fd, mem);
	else
		make_room(slots);
}

void mafsd_slot_unpin(struct mafsd_slots *slots, struct mafsd_slot *slot)
{
	mafs_guard(&slots->lock);

	assert(slot->n_pins > 0);
	slot->n_pins--;
}

bool mafsd_slot_close(struct mafsd_slots *slots, struct mafsd_slot *slot)
{
	struct mafsd_slot content = { .fd = -1 };
	bool pinned;

	pthread_mutex_lock(&slots->lock);
	pinned = slot->n_pins > 0;
	if (!pinned && is_open(slot))
		content = take_content(slots, slot);
	pthread_mutex_unlock(&slots->lock);

	close_content(content.fd, content.mem);
	return !pinned;
}
