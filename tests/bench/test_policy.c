// SPDX-License-Identifier: Apache-2.0
/*
 * How often an open finds its file not in memory: traces replayed through the
 * policies' tables, and through the formula 0.7/age + 0.3*count, which looks
 * at all files for each victim. Prints the table of docs/benchmarks.md. The
 * traces are the same in each run.
 */
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/policy.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY (1000U << 20) /* 1000 files of a MiB, or as many bytes */
#define MIB (1U << 20)
#define N_FILES 10000U
#define N_OPENS 400000U
#define N_HOT 600U
#define WARM_UP 50000U /* opens that are not counted */

/* ---- the formula: highest score stays ---- */

struct mafs_policy {
	struct scored {
		struct mafs_policy_file *file;
		uint64_t last_use, n_uses;
	} files[2 * N_FILES];
	size_t n;
	uint64_t now;
};

static int formula_new(uint64_t memory_bytes, struct mafs_policy **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void formula_free(struct mafs_policy *policy)
{
	free(policy);
}

static struct scored *formula_find(struct mafs_policy *policy,
				   const struct mafs_policy_file *file)
{
	for (size_t i = 0; i < policy->n; i++)
		if (policy->files[i].file == file)
			return &policy->files[i];
	return NULL;
}

static void formula_admit(struct mafs_policy *policy,
			  struct mafs_policy_file *file)
{
	policy->files[policy->n++] = (struct scored){ file, ++policy->now, 1 };
}

static void formula_use(struct mafs_policy *policy,
			struct mafs_policy_file *file)
{
	struct scored *scored = formula_find(policy, file);

	scored->last_use = ++policy->now;
	scored->n_uses++;
}

static void formula_remove(struct mafs_policy *policy,
			   struct mafs_policy_file *file)
{
	struct scored *gone = formula_find(policy, file);

	*gone = policy->files[--policy->n];
}

static void formula_evicted(struct mafs_policy *policy,
			    struct mafs_policy_file *file)
{
}

static struct mafs_policy_file *formula_victim(struct mafs_policy *policy)
{
	struct mafs_policy_file *victim = NULL;
	double score, lowest = INFINITY;

	for (size_t i = 0; i < policy->n; i++) {
		const struct scored *s = &policy->files[i];

		score = 0.7 / (double)(policy->now - s->last_use + 1) +
			0.3 * (double)s->n_uses;
		if (score < lowest) {
			lowest = score;
			victim = s->file;
		}
	}
	return victim;
}

static size_t formula_count(const struct mafs_policy *policy)
{
	return policy->n;
}

static const struct mafs_policy_ops formula = {
	.name = "formula",
	.new = formula_new,
	.free = formula_free,
	.admit = formula_admit,
	.use = formula_use,
	.remove = formula_remove,
	.evicted = formula_evicted,
	.victim = formula_victim,
	.count = formula_count,
};

/* ---- memory ---- */

struct replay {
	const struct mafs_policy_ops *ops;
	struct mafs_policy *policy;
	struct mafs_policy_file *files; /* size_bytes > 0 while in memory */
	uint64_t used_bytes;
	unsigned int n_opens, n_misses;
};

static void evict_one(struct replay *replay)
{
	struct mafs_policy_file *victim = replay->ops->victim(replay->policy);

	assert_non_null(victim);
	replay->used_bytes -= victim->size_bytes;
	replay->ops->remove(replay->policy, victim);
	replay->ops->evicted(replay->policy, victim);
	victim->size_bytes = 0;
}

static void open_file(struct replay *replay, uint32_t number, uint64_t size)
{
	struct mafs_policy_file *file = &replay->files[number];
	bool counts = ++replay->n_opens > WARM_UP;

	if (file->size_bytes) {
		replay->ops->use(replay->policy, file);
		return;
	}
	replay->n_misses += counts;
	while (replay->used_bytes + size > MEMORY)
		evict_one(replay);
	file->key = number;
	file->size_bytes = size;
	replay->used_bytes += size;
	replay->ops->admit(replay->policy, file);
}

/* ---- traces ---- */

struct trace {
	uint64_t random;
	double *cumulated; /* of a Zipf distribution over N_FILES */
};

static double next_random(struct trace *trace)
{
	/* splitmix64 */
	uint64_t z = trace->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static uint32_t uniform(struct trace *trace, uint32_t n)
{
	return (uint32_t)(next_random(trace) * n);
}

static void zipf_init(struct trace *trace, double skew)
{
	double sum = 0;

	trace->cumulated = calloc(N_FILES, sizeof(double));
	assert_non_null(trace->cumulated);
	for (uint32_t i = 0; i < N_FILES; i++)
		trace->cumulated[i] = sum += pow(i + 1.0, -skew);
	for (uint32_t i = 0; i < N_FILES; i++)
		trace->cumulated[i] /= sum;
}

static uint32_t zipf(struct trace *trace)
{
	double wanted = next_random(trace);
	uint32_t low = 0, high = N_FILES - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (trace->cumulated[middle] < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void play_zipf(struct replay *replay, struct trace *trace)
{
	for (uint32_t i = 0; i < N_OPENS; i++)
		open_file(replay, zipf(trace), MIB);
}

static void play_zipf_09(struct replay *replay, struct trace *trace)
{
	zipf_init(trace, 0.9);
	play_zipf(replay, trace);
}

static void play_zipf_11(struct replay *replay, struct trace *trace)
{
	zipf_init(trace, 1.1);
	play_zipf(replay, trace);
}

/* 4 KiB to 64 MiB, most of them small; the same file has the same size. */
static uint64_t mixed_size(uint32_t number)
{
	struct trace trace = { .random = number };

	return (uint64_t)(4096 * pow(2, 14 * pow(next_random(&trace), 2)));
}

static void play_sizes(struct replay *replay, struct trace *trace)
{
	zipf_init(trace, 0.9);
	for (uint32_t i = 0; i < N_OPENS; i++) {
		uint32_t number = zipf(trace);

		open_file(replay, number, mixed_size(number));
	}
}

/* Half of the opens are within a hot set of 0.6 times memory; the others read
 * each file of ten times memory once, again and again. */
static void open_beside_scan(struct replay *replay, struct trace *trace,
			     uint32_t i, uint32_t first_hot)
{
	if (i % 2)
		open_file(replay, first_hot + uniform(trace, N_HOT), MIB);
	else
		open_file(replay, 2 * N_HOT + i / 2 % N_FILES, MIB);
}

static void play_scan(struct replay *replay, struct trace *trace)
{
	for (uint32_t i = 0; i < N_OPENS; i++)
		open_beside_scan(replay, trace, i, 0);
}

/* The hot set was another one while memory got warm. */
static void play_scan_after(struct replay *replay, struct trace *trace)
{
	for (uint32_t i = 0; i < N_OPENS; i++)
		open_beside_scan(replay, trace, i, i < WARM_UP ? 0 : N_HOT);
}

/* Nine of ten opens are within a set of 0.8 times memory, which moves on by a
 * tenth of itself every 4,000 opens. */
static void play_shift(struct replay *replay, struct trace *trace)
{
	uint32_t n_set = MEMORY / MIB * 8 / 10, from;

	for (uint32_t i = 0; i < N_OPENS; i++) {
		from = i / 4000 * (n_set / 10);
		if (uniform(trace, 10))
			open_file(replay,
				  (from + uniform(trace, n_set)) % N_FILES,
				  MIB);
		else
			open_file(replay, uniform(trace, N_FILES), MIB);
	}
}

static const struct {
	const char *name;
	void (*play)(struct replay *replay, struct trace *trace);
} traces[] = {
	{ "Zipf 0.9", play_zipf_09 },
	{ "Zipf 1.1", play_zipf_11 },
	{ "Zipf 0.9, 4 KiB to 64 MiB", play_sizes },
	{ "scan beside a hot set", play_scan },
	{ "scan beside a new hot set", play_scan_after },
	{ "shifting working set", play_shift },
};

static double miss_ratio(const struct mafs_policy_ops *ops, size_t which)
{
	_cleanup_free_ struct mafs_policy_file *files =
		calloc(2 * N_FILES, sizeof(*files));
	struct replay replay = { .ops = ops, .files = files };
	struct trace trace = { .random = which };

	assert_non_null(files);
	assert_int_equal(ops->new (MEMORY, &replay.policy), 0);
	traces[which].play(&replay, &trace);
	ops->free(replay.policy);
	free(trace.cumulated);
	return (double)replay.n_misses / (replay.n_opens - WARM_UP);
}

#define MARGIN 1.02
#define SCAN 4

static void test_s3fifo_is_near_the_best_and_better_beside_a_scan(void **state)
{
	double lru, score, s3fifo, best;
	bool good = true;

	printf("| misses an open | formula | lru | s3fifo |\n");
	printf("|---|---|---|---|\n");
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(traces); i++) {
		score = miss_ratio(&formula, i);
		lru = miss_ratio(&mafs_policy_lru, i);
		s3fifo = miss_ratio(&mafs_policy_s3fifo, i);
		printf("| %s | %.4f | %.4f | %.4f |\n", traces[i].name, score,
		       lru, s3fifo);
		best = fmin(score, lru);
		good &= i == SCAN ? s3fifo < best : s3fifo <= best * MARGIN;
	}
	assert_true(good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_s3fifo_is_near_the_best_and_better_beside_a_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
