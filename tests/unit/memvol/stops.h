/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stop point: before each flush of the devices, and behind each request,
 * the memory is taken as crashes of several kinds would leave it, and the
 * volume opened again from that.
 *
 * What it shows is held against what the live one showed before the request
 * that was under way, and behind it. A byte may be one that its file had since
 * it was last fsynced; never anything else.
 */
#pragma once

#include "seen.h"

#include <mafs/crc.h>

#define N_STEPS_MAX 512
#define N_IDS_MAX 128
#define N_IMAGES_MAX 4096
/* Each way once, the random ones more often. */
#define N_VARIANTS (N_LINES_CRASHES + 2)

/**
 * struct content - what a file shall have
 * @bytes: zeros behind @size
 */
struct content {
	uint8_t *bytes;
	uint64_t size;
};

#define CONTENT_MAX (1024 * KIB)

/**
 * struct stops
 * @steps: what was seen behind each request; the first one: at the beginning
 * @synced: by inode id: since which step its bytes count
 * @images: of the request that is under way
 * @checks_recovery: also every stop of the recovery itself
 */
struct stops {
	struct vol *v;
	const char *what; /* request */
	struct seen *steps[N_STEPS_MAX];
	size_t n_steps;
	size_t synced[N_IDS_MAX];
	bool loose[N_IDS_MAX]; /* written to in place since */
	struct content contents[N_IDS_MAX];
	bool under_way, checking, collecting, checks_recovery;
	uint64_t size_bytes; /* of each device */
	struct image {
		struct device_lines *lines[N_DEVICES_MAX];
	} images[N_IMAGES_MAX];
	size_t n_images;
	uint32_t seed, last_sum;
	uint64_t head;
	unsigned int n_stops, n_checked;
};

/* ---- one recovered volume ---- */

static inline bool time_is(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Was the byte, or the file's time, ever so since its last fsync? */
static inline bool byte_may_be(const struct stops *s, uint64_t id, size_t at,
			       uint8_t byte)
{
	for (size_t i = s->synced[id]; i < s->n_steps; i++) {
		const struct seen_file *file = seen_find(s->steps[i], id);

		if (file && file->bytes && at < file->size &&
		    file->bytes[at] == byte)
			return true;
	}
	return false;
}

static inline bool times_may_be(const struct stops *s,
				const struct seen_file *is)
{
	for (size_t i = s->synced[is->id]; i < s->n_steps; i++) {
		const struct seen_file *file = seen_find(s->steps[i], is->id);

		if (file && time_is(&file->mtime, &is->mtime) &&
		    time_is(&file->ctime, &is->ctime))
			return true;
	}
	return false;
}

static inline void check_file(const struct stops *s, const struct seen_file *is,
			      const struct seen_file *before,
			      const struct seen_file *after)
{
	if (!times_may_be(s, is) &&
	    !(before && time_is(&is->mtime, &before->mtime) &&
	      time_is(&is->ctime, &before->ctime)))
		fail_msg("%s: times of \"%s\": mtime .%09ld, ctime .%09ld; "
			 "were .%09ld, .%09ld",
			 s->what, is->text, is->mtime.tv_nsec,
			 is->ctime.tv_nsec, after ? after->mtime.tv_nsec : 0,
			 after ? after->ctime.tv_nsec : 0);
	if (!is->bytes || (after && after->size == is->size &&
			   !memcmp(is->bytes, after->bytes, is->size)))
		return;
	for (size_t at = 0; at < is->size; at++)
		if (!byte_may_be(s, is->id, at, is->bytes[at]))
			fail_msg("%s: byte %zu of \"%s\" is 0x%02x%s", s->what,
				 at, is->text, is->bytes[at],
				 is->bytes[at] == GARBAGE ? " (garbage)" : "");
}

static inline void check_seen(const struct stops *s, const struct seen *is)
{
	const struct seen *after = s->steps[s->n_steps - 1];
	const struct seen *before = s->under_way ? s->steps[s->n_steps - 2] :
						   after;
	const char *text[4];

	if (!seen_same(is, after, &text[0], &text[1]) &&
	    !seen_same(is, before, &text[2], &text[3]))
		fail_msg("%s: found\n\t%s\nbehind it was\n\t%s\n"
			 "before it was\n\t%s",
			 s->what, text[0], text[1], text[3]);
	for (size_t i = 0; i < is->n; i++)
		check_file(s, &is->files[i], seen_find(before, is->files[i].id),
			   seen_find(after, is->files[i].id));
}

static inline void stops_check_recovery(struct stops *s, struct vol *v);

/* It works, and what was found is still there after the next mount. */
static inline void check_goes_on(struct stops *s, struct vol *v)
{
	static const char bytes[5000] = "new";
	const char *text[2];
	struct seen *before, *after;

	must_be(v_create(v, 0, "goes-on"), 0);
	must_be(v_write(v, 0, 100, bytes, sizeof(bytes)), 0);
	must_be(v_close(v, 0), 0);
	before = v_see(v);
	v_umount(v);
	v_mount(v);
	after = v_see(v);
	if (!seen_same(before, after, &text[0], &text[1]))
		fail_msg("%s: was\n\t%s\nis after another mount\n\t%s", s->what,
			 text[0], text[1]);
	v_check_space(v, after, s->head, 0);
	seen_free(before);
	seen_free(after);
}

static inline void check_image(struct stops *s, struct image *image)
{
	struct vol v = { .n_devices = s->v->n_devices };
	struct seen *seen;

	memcpy(v.lines, image->lines, sizeof(v.lines));
	if (s->checks_recovery && s->n_checked % 29 == 0)
		stops_check_recovery(s, &v);
	else
		v_mount(&v);
	seen = v_see(&v);
	check_seen(s, seen);
	v_check_space(&v, seen, s->head, 0);
	seen_free(seen);
	if (s->n_checked++ % 8 == 0)
		check_goes_on(s, &v);
	mafsm_free(v.m);
	for (size_t i = 0; i < v.n_devices; i++)
		device_lines_free(v.lines[i]);
}

static inline void check_images(struct stops *s)
{
	s->checking = true;
	for (size_t i = 0; i < s->n_images; i++)
		check_image(s, &s->images[i]);
	s->n_images = 0;
	s->checking = false;
}

/* ---- stop points ---- */

static inline uint32_t sum_of(const struct device_lines *lines, uint64_t len,
			      uint32_t sum)
{
	struct device_lines *all = device_lines_crash(lines, LINES_ALL, 0);

	sum = mafs_crc32c(sum, device_lines_memory(all), len);
	device_lines_free(all);
	all = device_lines_crash(lines, LINES_NONE, 0);
	sum = mafs_crc32c(sum, device_lines_memory(all), len);
	device_lines_free(all);
	return sum;
}

static inline void take_images(struct stops *s)
{
	const struct vol *v = s->v;
	uint32_t sum = 0;

	for (size_t i = 0; i < v->n_devices; i++)
		sum = sum_of(v->lines[i], s->size_bytes, sum);
	if (sum == s->last_sum)
		return; /* nothing was stored since */
	s->last_sum = sum;
	s->n_stops++;
	for (int how = 0; how < N_VARIANTS; how++) {
		struct image *image = &s->images[s->n_images];

		must(s->n_images++ < N_IMAGES_MAX);
		s->seed = s->seed * 1664525U + 1013904223U;
		for (size_t i = 0; i < v->n_devices; i++)
			image->lines[i] =
				device_lines_crash(v->lines[i],
						   how < N_LINES_CRASHES ? how :
						   how % 2 ? LINES_RANDOM :
							     LINES_TORN,
						   s->seed + (uint32_t)i);
	}
}

static inline void listen(struct stops *s);

static inline void stop_here(void *context)
{
	struct stops *s = context;

	if (s->checking)
		return;
	take_images(s);
	if (!s->under_way && !s->collecting)
		check_images(s);
	listen(s);
}

static inline void listen(struct stops *s)
{
	for (size_t i = 0; i < s->v->n_devices; i++)
		device_lines_call_at(s->v->lines[i], 1, stop_here, s);
}

/* The mount of @v, and its stops. */
static inline void stops_check_recovery(struct stops *s, struct vol *v)
{
	struct stops *inner = malloc(sizeof(*inner));

	must(inner);
	*inner = *s;
	inner->v = v;
	inner->n_images = 0;
	inner->checks_recovery = inner->checking = false;
	inner->collecting = true;
	listen(inner);
	v_mount(v);
	check_images(inner);
	for (size_t i = 0; i < v->n_devices; i++)
		device_lines_call_at(v->lines[i], 0, NULL, NULL);
	s->seed = inner->seed;
	s->n_stops = inner->n_stops;
	s->n_checked = inner->n_checked;
	free(inner);
}

static inline void stops_begin(struct stops *s, size_t n_devices,
			       uint64_t size_bytes)
{
	uint64_t log_bytes;

	memset(s, 0, sizeof(*s));
	s->seed = 1;
	s->what = "begin";
	s->size_bytes = size_bytes;
	s->v = v_new(n_devices, size_bytes);
	s->head = v_used(s->v, &log_bytes);
	s->steps[s->n_steps++] = v_see(s->v);
	listen(s);
}

/* A request begins. */
static inline void stops_before(struct stops *s, const char *what)
{
	s->what = what;
	s->under_way = true;
}

/* The live volume shows what was written. */
static inline void check_contents(const struct stops *s,
				  const struct seen *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		const struct seen_file *file = &seen->files[i];
		const struct content *content = &s->contents[file->id];

		if (!file->bytes)
			continue;
		if (file->size != content->size)
			fail_msg("%s: size of \"%s\", not %llu", s->what,
				 file->text, (unsigned long long)content->size);
		for (size_t at = 0; at < file->size; at++)
			if (file->bytes[at] != content->bytes[at])
				fail_msg("%s: byte %zu of \"%s\" is 0x%02x, "
					 "not 0x%02x",
					 s->what, at, file->text,
					 file->bytes[at], content->bytes[at]);
	}
}

static inline void stops_add_step(struct stops *s)
{
	struct seen *seen;

	must(s->n_steps < N_STEPS_MAX);
	s->checking = true; /* looking stores nothing */
	seen = v_see(s->v);
	s->checking = false;
	s->steps[s->n_steps++] = seen;
	check_contents(s, seen);
	listen(s);
}

/* It returned. Who is not written to in place has what was acknowledged. */
static inline void stops_after(struct stops *s, int r)
{
	if (r)
		fail_msg("%s: %s", s->what, strerror(-r));
	stops_add_step(s);
	check_images(s);
	s->under_way = false;
	for (size_t id = 0; id < N_IDS_MAX; id++)
		if (!s->loose[id])
			s->synced[id] = s->n_steps - 1;
	s->last_sum = 0;
	take_images(s);
	check_images(s);
	listen(s);
}

static inline void stops_end(struct stops *s, const char *name)
{
	print_message("crash: %s requests=%zu stops=%u recovered=%u\n", name,
		      s->n_steps - 1, s->n_stops, s->n_checked);
	for (size_t i = 0; i < s->n_steps; i++)
		seen_free(s->steps[i]);
	for (size_t id = 0; id < N_IDS_MAX; id++)
		free(s->contents[id].bytes);
	s->checking = true;
	v_drop_files(s->v);
	v_free(s->v);
}

/* DO(s, v_mkdir, "d"): the request, all of its stops, and what it leaves. */
#define DO(s, call, ...)                                   \
	do {                                               \
		stops_before(s, #call " " #__VA_ARGS__);   \
		stops_after(s, call((s)->v, __VA_ARGS__)); \
	} while (0)

static inline struct content *content_of(struct stops *s, uint64_t id)
{
	struct content *content = &s->contents[id];

	must(id < N_IDS_MAX);
	if (!content->bytes)
		content->bytes = calloc(1, CONTENT_MAX);
	must(content->bytes);
	return content;
}

static inline void expect_size(struct stops *s, uint64_t id, uint64_t size)
{
	struct content *content = content_of(s, id);

	must(size <= CONTENT_MAX);
	if (size < content->size)
		memset(content->bytes + size, 0, content->size - size);
	content->size = size;
}

/* @bytes: NULL: zeros, within the size. */
static inline void expect_bytes(struct stops *s, uint64_t id, uint64_t offset,
				const void *bytes, size_t len)
{
	struct content *content = content_of(s, id);

	must(offset + len <= CONTENT_MAX);
	if (bytes && content->size < offset + len)
		content->size = offset + len;
	if (bytes)
		memcpy(content->bytes + offset, bytes, len);
	else
		memset(content->bytes + offset, 0, len);
}

/* DO_SYNC(s, v_fsync, h): all that the file has is persistent behind it. */
#define DO_SYNC(s, call, h)                          \
	do {                                         \
		int r_;                              \
		stops_before(s, #call);              \
		r_ = call((s)->v, h);                \
		s->loose[s->v->file_ids[h]] = false; \
		stops_after(s, r_);                  \
	} while (0)
