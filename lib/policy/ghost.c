// SPDX-License-Identifier: Apache-2.0
/*
 * A ring of keys by age, with chains by hash through it. What is taken out
 * keeps its place until it is the oldest.
 */
#include "ghost.h"

#include <mafs/cleanup.h>

#define PLACES_MIN 64U
#define PLACES_MAX (1U << 30)

static uint32_t *bucket_of(struct mafs_ghost *ghost, uint64_t key)
{
	/* Fibonacci hashing, upper bits. */
	uint64_t hash = (key * 0x9e3779b97f4a7c15ULL) >> 32;

	return &ghost->buckets[hash & (ghost->n_places - 1)];
}

static struct mafs_ghost_key *at(struct mafs_ghost *ghost, size_t nth)
{
	return &ghost->ring[(ghost->first + nth) & (ghost->n_places - 1)];
}

static void chain(struct mafs_ghost *ghost, struct mafs_ghost_key *place)
{
	uint32_t *bucket = bucket_of(ghost, place->key);

	place->next = *bucket;
	*bucket = (uint32_t)(place - ghost->ring) + 1;
}

/* What points to its place, or to 0 at the chain's end. */
static uint32_t *find(struct mafs_ghost *ghost, uint64_t key)
{
	uint32_t *link = bucket_of(ghost, key);

	while (*link && ghost->ring[*link - 1].key != key)
		link = &ghost->ring[*link - 1].next;
	return link;
}

static void take_out(struct mafs_ghost *ghost, uint32_t *link)
{
	struct mafs_ghost_key *place = &ghost->ring[*link - 1];

	*link = place->next;
	ghost->weight -= place->weight;
	place->weight = 0;
	ghost->n_live--;
}

static void forget_oldest(struct mafs_ghost *ghost)
{
	struct mafs_ghost_key *oldest = at(ghost, 0);

	if (oldest->weight)
		take_out(ghost, find(ghost, oldest->key));
	ghost->first = (ghost->first + 1) & (ghost->n_places - 1);
	ghost->n--;
}

/* Without those taken out; twice as large when they were less than half. */
static bool grow(struct mafs_ghost *ghost)
{
	struct mafs_ghost bigger = {
		.weight = ghost->weight,
		.weight_max = ghost->weight_max,
		.n_places = PLACES_MIN,
		.n_live = ghost->n_live,
	};

	while (bigger.n_places < 2 * ghost->n_live)
		bigger.n_places *= 2;
	if (bigger.n_places > PLACES_MAX)
		return false;
	bigger.ring = calloc(bigger.n_places, sizeof(*bigger.ring));
	bigger.buckets = calloc(bigger.n_places, sizeof(*bigger.buckets));
	if (!bigger.ring || !bigger.buckets) {
		mafs_ghost_done(&bigger);
		return false;
	}
	for (size_t i = 0; i < ghost->n; i++)
		if (at(ghost, i)->weight) {
			*at(&bigger, bigger.n) = *at(ghost, i);
			chain(&bigger, at(&bigger, bigger.n++));
		}
	mafs_ghost_done(ghost);
	*ghost = bigger;
	return true;
}

void mafs_ghost_add(struct mafs_ghost *ghost, uint64_t key, uint64_t weight)
{
	struct mafs_ghost_key *place;

	if (weight > ghost->weight_max)
		return;
	mafs_ghost_take(ghost, key);
	while (ghost->weight + weight > ghost->weight_max)
		forget_oldest(ghost);
	if (ghost->n == ghost->n_places && !grow(ghost))
		return;
	place = at(ghost, ghost->n++);
	place->key = key;
	place->weight = weight;
	chain(ghost, place);
	ghost->weight += weight;
	ghost->n_live++;
}

bool mafs_ghost_take(struct mafs_ghost *ghost, uint64_t key)
{
	uint32_t *link;

	if (!ghost->n)
		return false;
	link = find(ghost, key);
	if (!*link)
		return false;
	take_out(ghost, link);
	return true;
}

void mafs_ghost_done(struct mafs_ghost *ghost)
{
	free(ghost->ring);
	free(ghost->buckets);
	*ghost = (struct mafs_ghost){ .weight_max = ghost->weight_max };
}
