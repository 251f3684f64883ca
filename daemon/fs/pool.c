// SPDX-License-Identifier: Apache-2.0
/*
 * The worker pool: what may block runs here, in the order in which it was
 * asked for. Threads are started when work waits and none is idle, and stay.
 * The list has no bound: each item is a request that somebody waits for.
 */
#include "fs.h"

#include <mafs/cleanup.h>
#include <mafs/platform.h>
#include <pthread.h>

#define N_THREADS_MAX 16

struct work {
	struct work *next;
	void (*run)(void *argument);
	void *argument;
};

struct mafsd_pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under lock */
	struct work *first, **last;
	size_t n_waiting, n_idle, n_threads;
	bool stopping;
	pthread_t threads[N_THREADS_MAX];
};

void mafsd_thread_enter(void)
{
	static _Thread_local bool entered;

	if (entered)
		return;
	entered = true;
	/* It fails where it is forbidden; then the umask is shared. */
	mafs_thread_init();
}

/* Waits for work. Return: NULL when there will be none. Under lock. */
static struct work *next_work(struct mafsd_pool *pool)
{
	struct work *work;

	while (!pool->first && !pool->stopping) {
		pool->n_idle++;
		pthread_cond_wait(&pool->wake, &pool->lock);
		pool->n_idle--;
	}
	work = pool->first;
	if (!work)
		return NULL;
	pool->first = work->next;
	if (!pool->first)
		pool->last = &pool->first;
	pool->n_waiting--;
	return work;
}

static void *run_worker(void *argument)
{
	struct mafsd_pool *pool = argument;
	struct work *work;

	mafsd_thread_enter();
	pthread_mutex_lock(&pool->lock);
	while ((work = next_work(pool))) {
		pthread_mutex_unlock(&pool->lock);
		work->run(work->argument);
		free(work);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Under lock. Return: 0, -errno of pthread_create(). */
static int start_worker(struct mafsd_pool *pool)
{
	int r = pthread_create(&pool->threads[pool->n_threads], NULL,
			       run_worker, pool);

	if (r == 0)
		pool->n_threads++;
	return -r;
}

int mafsd_pool_start(struct mafsd_pool **ret)
{
	struct mafsd_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	pool->last = &pool->first;
	*ret = pool;
	return 0;
}

void mafsd_pool_stop(struct mafsd_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	/* One by one: work that runs may still start a thread. */
	for (size_t i = 0; i < pool->n_threads; i++) {
		pthread_mutex_unlock(&pool->lock);
		pthread_join(pool->threads[i], NULL);
		pthread_mutex_lock(&pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

int mafsd_pool_submit(struct mafsd_pool *pool, void (*run)(void *argument),
		      void *argument)
{
	_cleanup_free_ struct work *work = calloc(1, sizeof(*work));

	if (!work || !pool)
		return -ENOMEM;
	*work = (struct work){ .run = run, .argument = argument };
	mafs_guard(&pool->lock);
	if (pool->n_waiting >= pool->n_idle && pool->n_threads < N_THREADS_MAX)
		(void)start_worker(pool);
	/* Without any thread it would wait for ever. */
	if (pool->n_threads == 0)
		return -ENOMEM;
	*pool->last = work;
	pool->last = &work->next;
	pool->n_waiting++;
	take_ptr(work);
	pthread_cond_signal(&pool->wake);
	return 0;
}
