// SPDX-License-Identifier: Apache-2.0
/*
 * s3fifo: three queues, after Yang et al., "FIFO queues are all you need for
 * cache eviction", SOSP 2023; here a queue's size is its files' bytes.
 *
 * A new file goes to the small queue. It leaves it to the main queue when it
 * was used meanwhile, else it is evicted, and its key stays in the ghost
 * queue: who comes back while it is there goes to the main queue at once. In
 * the main queue a file that was used goes round again, once for each use. A
 * file larger than the mean pays two uses each time: it stands for many.
 * A victim that could not be evicted is in use, and goes to main as well; when
 * all of main is, the small queue gives before its time.
 * So what is read once passes through a tenth of memory and disturbs nobody.
 */
#include "ghost.h"
#include "queue.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <string.h>

#define SMALL_SHARE 10 /* of memory */
#define USES_MAX 3

struct mafs_policy {
	struct mafs_policy_queue small, main;
	struct mafs_ghost ghost;
	uint64_t small_bytes;
	size_t n_refused; /* victims since one was evicted */
};

static int s3fifo_new(uint64_t memory_bytes, struct mafs_policy **ret)
{
	struct mafs_policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return -ENOMEM;
	policy->small_bytes = memory_bytes / SMALL_SHARE;
	policy->ghost.weight_max = memory_bytes - policy->small_bytes;
	*ret = policy;
	return 0;
}

static void s3fifo_free(struct mafs_policy *policy)
{
	if (policy)
		mafs_ghost_done(&policy->ghost);
	free(policy);
}

static void s3fifo_admit(struct mafs_policy *policy,
			 struct mafs_policy_file *file)
{
	if (file->queue)
		return;
	if (!file->home)
		file->home = mafs_ghost_take(&policy->ghost, file->key) ?
				     &policy->main :
				     &policy->small;
	mafs_policy_queue_append(file->home, file);
}

static void s3fifo_use(struct mafs_policy *policy,
		       struct mafs_policy_file *file)
{
	if (file->n_uses < USES_MAX)
		file->n_uses++;
}

static void s3fifo_remove(struct mafs_policy *policy,
			  struct mafs_policy_file *file)
{
	mafs_policy_queue_remove(file);
}

static void s3fifo_evicted(struct mafs_policy *policy,
			   struct mafs_policy_file *file)
{
	policy->n_refused = 0;
	if (file->home == &policy->small)
		mafs_ghost_add(&policy->ghost, file->key,
			       mafs_policy_weight(file));
	memset(file, 0, sizeof(*file));
}

static void move_to(struct mafs_policy_queue *queue,
		    struct mafs_policy_file *file)
{
	mafs_policy_queue_remove(file);
	mafs_policy_queue_append(queue, file);
}

/* Uses, to stay in memory once more. */
static unsigned int price(const struct mafs_policy *policy,
			  const struct mafs_policy_file *file)
{
	uint64_t weight = policy->small.weight + policy->main.weight;

	return mafs_policy_weight(file) >
			       weight / (policy->small.n + policy->main.n) ?
		       2 :
		       1;
}

static struct mafs_policy_queue *next_queue(struct mafs_policy *policy)
{
	struct mafs_policy_queue *small = &policy->small, *main = &policy->main;

	if (!small->first)
		return main;
	return small->weight >= policy->small_bytes ||
			       policy->n_refused >= main->n ?
		       small :
		       main;
}

/* Each turn takes uses away: they pay for the turns. */
static struct mafs_policy_file *s3fifo_victim(struct mafs_policy *policy)
{
	struct mafs_policy_queue *from;
	struct mafs_policy_file *file;
	unsigned int uses;

	for (;;) {
		from = next_queue(policy);
		file = from->first;
		if (!file)
			return NULL;
		uses = price(policy, file);
		move_to(&policy->main, file);
		if (file->n_uses < uses) {
			policy->n_refused++;
			file->home = from;
			return file;
		}
		file->n_uses = from == &policy->main ? file->n_uses - uses : 0;
	}
}

static size_t s3fifo_count(const struct mafs_policy *policy)
{
	return policy->small.n + policy->main.n;
}

const struct mafs_policy_ops mafs_policy_s3fifo = {
	.name = "s3fifo",
	.new = s3fifo_new,
	.free = s3fifo_free,
	.admit = s3fifo_admit,
	.use = s3fifo_use,
	.remove = s3fifo_remove,
	.evicted = s3fifo_evicted,
	.victim = s3fifo_victim,
	.count = s3fifo_count,
};
