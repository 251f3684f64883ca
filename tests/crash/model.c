// SPDX-License-Identifier: Apache-2.0
/*
 * The oracle: plays a workload's operations on names and bytes in memory. A
 * file keeps each content it had since it was last durable, so that a power
 * cut can be judged.
 */
#include "crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint8_t crash_byte(unsigned int seed, uint64_t offset)
{
	uint64_t x =
		((offset + 1) ^ (uint64_t)seed << 32) * 0x9e3779b97f4a7c15u;

	return (uint8_t)(x >> 56 | 1); /* never a zero: those are holes */
}

/* ---- files ---- */

static struct version *current(struct model_file *file)
{
	return &file->versions[file->n_versions - 1];
}

/* A new version of @size bytes: what was there, then zeros. */
static struct version *change(struct model_file *file, uint64_t size)
{
	struct version version = { .size = size };

	version.bytes = calloc(1, size + 1);
	file->versions = reallocarray(file->versions, file->n_versions + 1,
				      sizeof(*file->versions));
	if (!version.bytes || !file->versions)
		abort();
	if (file->n_versions > 0) {
		struct version *last = current(file);

		memcpy(version.bytes, last->bytes,
		       last->size < size ? last->size : size);
	}
	file->versions[file->n_versions++] = version;
	return current(file);
}

static void become_durable(struct model_file *file)
{
	file->versions[0] = *current(file);
	file->n_versions = 1;
}

static void write_bytes(struct model_file *file, const struct op *op)
{
	uint64_t size = current(file)->size, end = op->offset + op->len;
	struct version *now = change(file, size > end ? size : end);

	for (uint64_t i = op->offset; i < end; i++)
		now->bytes[i] = crash_byte(op->seed, i);
	if (op->flags & O_DSYNC)
		become_durable(file);
}

static void zero_bytes(struct model_file *file, const struct op *op)
{
	uint64_t size = current(file)->size, end = op->offset + op->len;
	struct version *now;

	if (op->kind == OP_ZERO && end > size)
		size = end;
	now = change(file, size);
	for (uint64_t i = op->offset; i < end && i < size; i++)
		now->bytes[i] = 0;
}

/* ---- names ---- */

static struct model_name *find(struct model *model, const char *path)
{
	for (size_t i = 0; i < model->n_names; i++)
		if (!strcmp(model->names[i].path, path))
			return &model->names[i];
	return NULL;
}

static struct model_name *need(struct model *model, const char *path)
{
	struct model_name *name = find(model, path);

	if (!name) {
		fprintf(stderr, "oracle: no %s\n", path);
		abort();
	}
	return name;
}

static struct model_file *file_at(struct model *model, const char *path)
{
	return &model->files[need(model, path)->file];
}

static void add_name(struct model *model, const char *path, mode_t type,
		     int file)
{
	if (model->n_names == CRASH_N_NAMES)
		abort();
	model->names[model->n_names++] = (struct model_name){
		.path = path,
		.file = file,
		.type = type,
	};
}

static int add_file(struct model *model, const char *path)
{
	if (model->n_files == CRASH_N_FILES)
		abort();
	model->files[model->n_files] = (struct model_file){ .mode = 0644 };
	change(&model->files[model->n_files], 0);
	add_name(model, path, S_IFREG, (int)model->n_files);
	return (int)model->n_files++;
}

static void remove_name(struct model *model, const char *path)
{
	*need(model, path) = model->names[model->n_names - 1];
	model->n_names--;
}

static void move_children(struct model *model, const char *from, const char *to)
{
	size_t len = strlen(from);
	char *path;

	for (size_t i = 0; i < model->n_names; i++) {
		struct model_name *name = &model->names[i];

		if (strncmp(name->path, from, len) || name->path[len] != '/')
			continue;
		if (asprintf(&path, "%s%s", to, name->path + len) < 0)
			abort();
		name->path = path;
	}
}

static void rename_name(struct model *model, const struct op *op)
{
	struct model_name *from = need(model, op->name);
	struct model_name *to = find(model, op->to);
	int file = from->file;

	if (op->flags & RENAME_EXCHANGE) {
		from->file = to->file;
		to->file = file;
		return;
	}
	if (to)
		remove_name(model, op->to);
	from = need(model, op->name);
	from->path = op->to;
	if (S_ISDIR(from->type))
		move_children(model, op->name, op->to);
}

/* ---- operations ---- */

/* By others, at N: it stays as long as N does. */
static void n_write(struct model *model, const struct op *op)
{
	struct model_name *name = find(model, op->name);
	struct model_file *file;

	if (name) {
		file = &model->files[name->file];
		model->conflict = *current(file);
	} else {
		file = &model->files[add_file(model, op->name)];
	}
	change(file, 0);
	write_bytes(file, op);
	become_durable(file);
}

static void open_file(struct model *model, const struct op *op)
{
	model->handles[op->h] = need(model, op->name)->file;
	if (op->flags & O_TRUNC)
		change(&model->files[model->handles[op->h]], 0);
}

static void play(struct model *model, const struct op *op)
{
	struct model_file *file = &model->files[model->handles[op->h]];

	switch (op->kind) {
	case OP_CREATE:
		model->handles[op->h] = add_file(model, op->name);
		break;
	case OP_OPEN:
		open_file(model, op);
		break;
	case OP_WRITE:
		write_bytes(file, op);
		break;
	case OP_FSYNC:
		become_durable(file);
		break;
	case OP_PUNCH:
	case OP_ZERO:
		zero_bytes(file, op);
		break;
	case OP_TRUNCATE:
		change(file_at(model, op->name), op->offset);
		break;
	case OP_CHMOD:
		file_at(model, op->name)->mode = (mode_t)op->flags;
		break;
	case OP_MKDIR:
		add_name(model, op->name, S_IFDIR, -1);
		break;
	case OP_SYMLINK:
		add_name(model, op->name, S_IFLNK, -1);
		find(model, op->name)->target = op->to;
		break;
	case OP_LINK:
		add_name(model, op->to, S_IFREG, need(model, op->name)->file);
		break;
	case OP_RENAME:
		rename_name(model, op);
		break;
	case OP_UNLINK:
	case OP_RMDIR:
		remove_name(model, op->name);
		break;
	case OP_PUSH:
		become_durable(file_at(model, op->name));
		break;
	case OP_SYNC:
	case OP_STOP:
		for (size_t i = 0; i < model->n_files; i++)
			become_durable(&model->files[i]);
		break;
	case OP_N_WRITE:
		n_write(model, op);
		break;
	default:
		break;
	}
}

static void play_all(struct model *model, const struct op *ops)
{
	for (; ops && ops->kind != OP_END; ops++)
		play(model, ops);
}

void model_play(const struct workload *workload, size_t n_ops,
		struct model *ret)
{
	*ret = (struct model){ 0 };
	play_all(ret, workload->before);
	play_all(ret, workload->earlier);
	play_all(ret, workload->meanwhile);
	for (size_t i = 0; i < n_ops; i++)
		play(ret, &workload->ops[i]);
}
