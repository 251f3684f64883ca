// SPDX-License-Identifier: Apache-2.0
/* mafs top: asks the daemon, and reckons rates from two answers. */
#include "top.h"

#include <mafs/cleanup.h>
#include <time.h>

static int ask(const char *control_path, const char *url, json_t **ret,
	       struct mafs_fault *fault)
{
	const struct mafs_request request = {
		.method = "GET",
		.url = url,
		.query = "max=64",
		.timeout_s = MAFS_CLIENT_QUICK_S,
	};

	return mafs_client_call(control_path, &request, ret, fault);
}

int mafs_top_ask(const char *control_path, struct mafs_top_sample *ret,
		 struct mafs_fault *fault)
{
	struct mafs_top_sample sample = { 0 };
	struct timespec now;
	int r;

	r = ask(control_path, "/v1/status", &sample.status, fault);
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample.at_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (r == 0)
		r = ask(control_path, "/v1/admin/hottest", &sample.hottest,
			fault);
	if (r == 0)
		r = ask(control_path, "/v1/admin/dirty", &sample.dirty, fault);
	if (r < 0) {
		mafs_top_sample_done(&sample);
		return r;
	}
	*ret = sample;
	return 0;
}

void mafs_top_sample_done(struct mafs_top_sample *sample)
{
	json_decref(take_ptr(sample->status));
	json_decref(take_ptr(sample->hottest));
	json_decref(take_ptr(sample->dirty));
}

/* ---- rates ---- */

static uint64_t count(const struct mafs_top_sample *sample,
		      const char *const *keys)
{
	const json_t *object = sample->status;

	for (; keys[1]; keys++)
		object = json_object_get(object, keys[0]);
	return mafs_client_count(object, keys[0]);
}

double mafs_top_rate(const struct mafs_top_sample *before,
		     const struct mafs_top_sample *now, const char *const *keys)
{
	uint64_t then = count(before, keys), value = count(now, keys);
	int64_t ms = now->at_ms - before->at_ms;

	/* Another daemon, which began to count anew. */
	if (ms <= 0 || value < then)
		return 0;
	return (double)(value - then) * 1000 / (double)ms;
}

static int set_rate(json_t *object, const char *key,
		    const struct mafs_top_sample *before,
		    const struct mafs_top_sample *now, const char *const *keys)
{
	return json_object_set_new(object, key,
				   json_real(mafs_top_rate(before, now, keys)));
}

static json_t *way_to_json(const char *way,
			   const struct mafs_top_sample *before,
			   const struct mafs_top_sample *now)
{
	static const char *const keys[] = { "n_opens", "read_bytes",
					    "written_bytes" };
	const json_t *ways = json_object_get(now->status, "paths");
	json_t *object = json_object();

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(keys); i++) {
		const char *const path[] = { "paths", way, keys[i], NULL };

		/* Of what is passed through nobody knows the bytes. */
		if (json_object_get(json_object_get(ways, way), keys[i]))
			set_rate(object, keys[i], before, now, path);
	}
	return object;
}

json_t *mafs_top_to_json(const struct mafs_top_sample *before,
			 const struct mafs_top_sample *now)
{
	static const char *const counters[] = { "promoted_bytes",
						"written_back_bytes", "n_hits",
						"n_misses", "n_evicted" };
	json_t *ways = json_object(), *rates = json_object();
	const char *way;
	json_t *value;

	json_object_foreach(json_object_get(now->status, "paths"), way, value)
		json_object_set_new(ways, way, way_to_json(way, before, now));
	json_object_set_new(rates, "paths", ways);
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(counters); i++) {
		const char *const path[] = { counters[i], NULL };

		set_rate(rates, counters[i], before, now, path);
	}
	return json_pack("{s:f, s:o, s:O, s:O, s:O}", "seconds",
			 (double)(now->at_ms - before->at_ms) / 1000,
			 "per_second", rates, "status", now->status, "hottest",
			 json_object_get(now->hottest, "files"), "dirty",
			 json_object_get(now->dirty, "files"));
}
