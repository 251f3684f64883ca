// SPDX-License-Identifier: Apache-2.0
/*
 * What is there after a stop, against what the oracle allows. Names are those
 * before or those after the operation under way, never a mixture. Of a file
 * each byte, and its size, is of before or of after.
 *
 * After a power cut: never shorter than what was durable and is wanted, its
 * bytes durable ones or any that came since. Shorter than what was durable:
 * one content that it had, whole, but for bytes that came later.
 */
#include "crash.h"

#include <limits.h>
#include <mafs/cleanup.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

__attribute__((format(printf, 1, 2))) static const char *say(const char *format,
							     ...)
{
	static char text[PATH_MAX + 256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

static const struct seen_file *find(const struct seen *seen, const char *path)
{
	for (size_t i = 0; i < seen->n_files; i++)
		if (!strcmp(seen->files[i].path, path))
			return &seen->files[i];
	return NULL;
}

static const char *compare(const struct seen_file *a, const struct seen_file *b)
{
	if (a->mode != b->mode || a->n_links != b->n_links)
		return say("%s: mode %o and %lu links, then %o and %lu",
			   a->path, a->mode, (unsigned long)a->n_links, b->mode,
			   (unsigned long)b->n_links);
	if (S_ISDIR(a->mode))
		return NULL;
	if (a->size != b->size)
		return say("%s: %llu bytes, then %llu", a->path,
			   (unsigned long long)a->size,
			   (unsigned long long)b->size);
	if (memcmp(a->bytes, b->bytes, a->size))
		return say("%s: other bytes than before", a->path);
	return NULL;
}

const char *seen_compare(const struct seen *a, const struct seen *b)
{
	const char *wrong = NULL;

	if (a->n_files != b->n_files)
		return say("%zu names, then %zu", a->n_files, b->n_files);
	for (size_t i = 0; i < a->n_files && !wrong; i++) {
		const struct seen_file *other = find(b, a->files[i].path);

		wrong = other ? compare(&a->files[i], other) :
				say("%s is gone", a->files[i].path);
	}
	return wrong;
}

/* ---- content ---- */

static const struct version *last_of(const struct model_file *file)
{
	return &file->versions[file->n_versions - 1];
}

static int byte_of(const struct version *version, uint64_t at)
{
	return at < version->size ? version->bytes[at] : 0;
}

static const char *judge_kill(const struct version *old,
			      const struct version *new,
			      const struct seen_file *is)
{
	uint64_t least = old->size < new->size ? old->size : new->size;
	uint64_t most = old->size < new->size ? new->size : old->size;

	if (is->size < least || is->size > most)
		return say("%s: %llu bytes, not %llu or %llu", is->path,
			   (unsigned long long)is->size,
			   (unsigned long long)old->size,
			   (unsigned long long)new->size);
	for (uint64_t i = 0; i < is->size; i++)
		if (is->bytes[i] != byte_of(old, i) &&
		    is->bytes[i] != byte_of(new, i))
			return say("%s: wrong byte at %llu", is->path,
				   (unsigned long long)i);
	return NULL;
}

/* From its n-th content on. */
static bool ever_since(const struct model_file *file, size_t n, uint64_t at,
		       int byte)
{
	for (; n < file->n_versions; n++)
		if (byte_of(&file->versions[n], at) == byte)
			return true;
	return false;
}

static bool ever(const struct model_file *file, uint64_t at, int byte)
{
	return ever_since(file, 0, at, byte);
}

/* The n-th content, with any of the bytes that came later. */
static bool is_since(const struct model_file *file, size_t n,
		     const struct seen_file *is)
{
	for (uint64_t at = 0; at < is->size; at++)
		if (!ever_since(file, n, at, is->bytes[at]))
			return false;
	return true;
}

static bool was(const struct model_file *file, const struct seen_file *is)
{
	for (size_t i = 0; i < file->n_versions; i++)
		if (file->versions[i].size == is->size && is_since(file, i, is))
			return true;
	return false;
}

static const char *judge_cut(const struct model_file *old,
			     const struct model_file *new,
			     const struct seen_file *is)
{
	uint64_t least = last_of(new)->size;

	if (old->versions[0].size < least)
		least = old->versions[0].size;
	if (last_of(old)->size < least)
		least = last_of(old)->size;
	if (is->size < least)
		return say("%s: cut short: %llu bytes, not %llu", is->path,
			   (unsigned long long)is->size,
			   (unsigned long long)least);
	if (is->size < old->versions[0].size && !was(old, is) && !was(new, is))
		return say("%s: cut to %llu bytes before they were there",
			   is->path, (unsigned long long)is->size);
	for (uint64_t i = 0; i < least; i++)
		if (!ever(old, i, is->bytes[i]) && !ever(new, i, is->bytes[i]))
			return say("%s: byte at %llu was never there", is->path,
				   (unsigned long long)i);
	if (old->n_versions == 1 && new->n_versions == 1 &&
	    last_of(old)->size == last_of(new)->size && is->size != least)
		return say("%s: %llu bytes, not %llu", is->path,
			   (unsigned long long)is->size,
			   (unsigned long long)least);
	return NULL;
}

/* ---- names ---- */

static unsigned long n_links_of(const struct model *model, int file)
{
	unsigned long n = 0;

	for (size_t i = 0; i < model->n_names; i++)
		n += model->names[i].file == file;
	return n;
}

static const char *judge_file(const struct model_file *before,
			      const struct model_file *after,
			      const struct seen_file *is, bool cut)
{
	mode_t mode = is->mode & 07777;

	if (mode != after->mode && mode != before->mode)
		return say("%s: mode %o", is->path, mode);
	if (cut)
		return judge_cut(before, after, is);
	return judge_kill(last_of(before), last_of(after), is);
}

static const char *judge_name(const struct model *names,
			      const struct model *old, const struct model *new,
			      const struct model_name *name,
			      const struct seen_file *is, bool cut)
{
	const struct model_file *after;

	if ((is->mode & S_IFMT) != name->type)
		return say("%s: another type", name->path);
	if (name->type == S_IFLNK &&
	    (is->size != strlen(name->target) ||
	     memcmp(is->bytes, name->target, is->size)))
		return say("%s: another target", name->path);
	if (name->file < 0)
		return NULL;
	if (is->n_links != n_links_of(names, name->file))
		return say("%s: %lu links", name->path,
			   (unsigned long)is->n_links);
	after = &new->files[name->file];
	return judge_file((size_t)name->file < old->n_files ?
				  &old->files[name->file] :
				  after,
			  after, is, cut);
}

static bool has_name(const struct model *model, const char *path)
{
	for (size_t i = 0; i < model->n_names; i++)
		if (!strcmp(model->names[i].path, path))
			return true;
	return false;
}

static const char *judge_names(const struct model *names,
			       const struct model *old, const struct model *new,
			       const struct seen *seen, bool cut)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < seen->n_files; i++)
		if (!has_name(names, seen->files[i].path))
			return say("%s should not be there",
				   seen->files[i].path);
	for (size_t i = 0; i < names->n_names && !wrong; i++) {
		const struct model_name *name = &names->names[i];
		const struct seen_file *is = find(seen, name->path);

		wrong = is ? judge_name(names, old, new, name, is, cut) :
			     say("%s is gone", name->path);
	}
	return wrong;
}

/* ---- conflicts ---- */

static bool is_conflict_of(const char *path, const char *of)
{
	size_t len = strlen(of);

	return !strncmp(path, of, len) &&
	       !strncmp(path + len, ".mafs-conflict-", 15);
}

/* One copy is whole; those that a killed daemon has begun may be beside it. */
static const char *judge_conflict(const char *of, const struct version *wanted,
				  const struct seen *seen,
				  struct seen *ret_rest)
{
	bool whole = false;

	for (size_t i = 0; i < seen->n_files; i++) {
		const struct seen_file *file = &seen->files[i];

		if (!is_conflict_of(file->path, of))
			ret_rest->files[ret_rest->n_files++] = *file;
		else if (file->size == wanted->size &&
			 !memcmp(file->bytes, wanted->bytes, file->size))
			whole = true;
	}
	return whole ? NULL : say("no whole copy beside %s", of);
}

const char *crash_judge(const struct workload *workload,
			const struct model *old, const struct model *new,
			const struct seen *seen, bool cut)
{
	_cleanup_free_ struct seen_file *files =
		calloc(seen->n_files + 1, sizeof(*files));
	struct seen rest = { .files = files };
	const char *wrong = NULL;

	if (!files)
		abort();
	if (workload->conflict)
		wrong = judge_conflict(workload->conflict, &new->conflict, seen,
				       &rest);
	else
		rest = *seen;
	if (wrong || !judge_names(old, old, new, &rest, cut))
		return wrong;
	return judge_names(new, old, new, &rest, cut);
}
