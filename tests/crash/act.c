// SPDX-License-Identifier: Apache-2.0
/* A workload's operations done by the core; always in a child. */
#include "act.h"

#include "fault_memory.h"

#include <limits.h>

/* ---- paths ---- */

/* The last name of @path; its directory's node id in *ret. */
static const char *parent_of(struct core *c, const char *path, uint64_t *ret)
{
	const char *slash = strrchr(path, '/');
	char dir[64];

	*ret = MAFSD_ROOT_ID;
	if (!slash)
		return path;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	*ret = core_lookup(c, dir);
	return slash + 1;
}

static uint64_t node_of(struct core *c, const char *path)
{
	struct mafsd_entry entry;
	uint64_t parent;
	const char *name = parent_of(c, path, &parent);

	must_be(mafsd_lookup(c->d, parent, name, &entry), 0);
	return entry.nodeid;
}

/* ---- files ---- */

static struct mafsd_open *create_at(struct core *c, const char *path, int flags)
{
	struct mafsd_open *open = NULL;
	struct mafsd_entry entry;
	uint64_t parent;
	const char *name = parent_of(c, path, &parent);

	must_be(mafsd_create(c->d, &t_root, parent, name, 0644, flags, &entry,
			     &open),
		0);
	return open;
}

/* As a program writes, whatever the path. */
static void write_at(struct core *c, struct mafsd_open *open,
		     const struct op *op)
{
	_cleanup_free_ uint8_t *bytes = malloc(op->len);
	_cleanup_close_ int fd = -1;

	for (uint64_t i = 0; i < op->len; i++)
		bytes[i] = crash_byte(op->seed, op->offset + i);
	if (!open->passthrough || open->direct_io) {
		must_be(mafsd_write(c->d, &t_root, open, bytes, op->len,
				    op->offset, op->flags, false, true),
			op->len);
		return;
	}
	fd = kernel_reopen(&c->kernel, open->backing_id, O_RDWR);
	if (open->file->path == MAFSD_M) { /* memory's, which fails not */
		must_be(pwrite(fd, bytes, op->len, (off_t)op->offset), op->len);
		return;
	}
	must_be(c->d->tier->pwrite(fd, bytes, op->len, op->offset), 0);
	if (op->flags & O_DSYNC)
		must_be(c->d->tier->flush(fd, true), 0);
}

static void punch(struct core *c, struct mafsd_open *open, const struct op *op)
{
	int mode = op->kind == OP_ZERO ?
			   FALLOC_FL_ZERO_RANGE :
			   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	must_be(mafsd_fallocate(c->d, &t_root, open, mode, op->offset, op->len,
				true),
		0);
}

static void change_mode(struct core *c, const struct op *op)
{
	struct stat attr = { .st_mode = (mode_t)op->flags }, st;
	bool is_volatile;

	must_be(mafsd_setattr(c->d, &t_root, node_of(c, op->name), &attr,
			      MAFSD_SET_MODE, true, &st, &is_volatile),
		0);
}

static bool act_on_file(struct player *p, const struct op *op)
{
	struct mafsd_open **open = &p->opens[op->h];
	struct core *c = p->core;

	switch (op->kind) {
	case OP_CREATE:
		*open = create_at(c, op->name, O_RDWR | op->flags);
		return true;
	case OP_OPEN:
		*open = core_open(c, node_of(c, op->name), O_RDWR | op->flags);
		return true;
	case OP_CLOSE:
		mafsd_release(c->d, *open);
		return true;
	case OP_WRITE:
		write_at(c, *open, op);
		return true;
	case OP_FSYNC:
		must_be(mafsd_fsync(c->d, *open, op->flags & O_DSYNC), 0);
		return true;
	case OP_PUNCH:
	case OP_ZERO:
		punch(c, *open, op);
		return true;
	case OP_TRUNCATE:
		core_resize(c, node_of(c, op->name), op->offset);
		return true;
	case OP_CHMOD:
		change_mode(c, op);
		return true;
	default:
		return false;
	}
}

/* ---- names ---- */

static void rename_at(struct core *c, const struct op *op)
{
	uint64_t parent, new_parent;
	const char *name = parent_of(c, op->name, &parent);
	const char *new_name = parent_of(c, op->to, &new_parent);

	must_be(mafsd_rename(c->d, parent, name, new_parent, new_name,
			     (unsigned int)op->flags),
		0);
}

static bool act_on_name(struct player *p, const struct op *op)
{
	struct mafsd_entry entry;
	struct core *c = p->core;
	uint64_t parent;
	const char *name = op->name ? parent_of(c, op->name, &parent) : NULL;

	switch (op->kind) {
	case OP_MKDIR:
		must_be(mafsd_mkdir(c->d, &t_root, parent, name, 0755, &entry),
			0);
		return true;
	case OP_SYMLINK:
		must_be(mafsd_symlink(c->d, &t_root, op->to, parent, name,
				      &entry),
			0);
		return true;
	case OP_UNLINK:
		must_be(mafsd_unlink(c->d, parent, name), 0);
		return true;
	case OP_RMDIR:
		must_be(mafsd_rmdir(c->d, parent, name), 0);
		return true;
	case OP_LINK:
		must_be(mafsd_link(c->d, node_of(c, op->name), MAFSD_ROOT_ID,
				   op->to, &entry),
			0);
		return true;
	case OP_RENAME:
		rename_at(c, op);
		return true;
	default:
		return false;
	}
}

/* ---- the daemon ---- */

struct live {
	mafs_log_emit_fn *emit;
	void *context;
};

static int emit_hot(void *context, struct mafs_hot *hot)
{
	struct mafs_entry entry = { 0 };
	struct live *live = context;

	mafs_hot_to_entry(hot, &entry);
	return live->emit(live->context, &entry);
}

static int give_live(void *context, mafs_log_emit_fn *emit, void *emit_context)
{
	struct live live = { emit, emit_context };
	struct mafsd *d = context;
	mafs_guard(&d->journal.lock);

	return mafs_hot_visit(d->journal.table, emit_hot, &live);
}

static void push(struct core *c, const char *path)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	uint64_t n_moved = 0, n_kept = 0;

	must_be(t_push(c->d, path, &n_moved, &n_kept, &fault), 0);
	must_be(n_kept, 0);
}

static void set_policy(struct core *c, const struct op *op)
{
	struct mafsd_progress progress = { 0 };
	struct mafs_fault fault = MAFS_FAULT_INIT;

	must_be(mafsd_policy_set(c->d, NULL, op->name,
				 (enum mafsd_policy)op->flags, false, &progress,
				 &fault),
		0);
}

static void fill_memory(struct core *c)
{
	fault_memory_install(c->d->memory);
	fault_memory_fail(FAULT_MEMORY_STORE, -ENOSPC, UINT_MAX);
	fault_memory_fail(FAULT_MEMORY_CREATE, -ENOSPC, UINT_MAX);
}

void crash_recover(struct core *c)
{
	mafsd_recover_stop(c->d);
	must_be(mafsd_recover_all(c->d), 0);
}

static void act_on_daemon(struct player *p, const struct op *op)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct core *c = p->core;

	switch (op->kind) {
	case OP_PULL:
		core_pull(c, op->name);
		break;
	case OP_PUSH:
		push(c, op->name);
		break;
	case OP_POLICY:
		set_policy(c, op);
		break;
	case OP_SYNC:
		must_be(mafsd_sync(c->d, &fault), 0);
		break;
	case OP_CHECKPOINT:
		must_be(mafs_log_checkpoint(c->d->journal.log, give_live, c->d,
					    &fault),
			0);
		break;
	case OP_MEMORY_FULL:
		fill_memory(c);
		break;
	case OP_RECOVER:
		crash_recover(c);
		break;
	case OP_STOP:
		core_stop(c);
		break;
	default:
		must(!"an operation for a daemon");
	}
}

void crash_act(struct player *p, const struct op *op)
{
	if (!act_on_file(p, op) && !act_on_name(p, op))
		act_on_daemon(p, op);
}

void crash_act_on_n(struct core *c, const struct op *ops)
{
	uint8_t *bytes;
	int fd;

	for (; ops && ops->kind != OP_END; ops++) {
		must_be(ops->kind, OP_N_WRITE);
		bytes = malloc(ops->len);
		for (uint64_t i = 0; i < ops->len; i++)
			bytes[i] = crash_byte(ops->seed, i);
		fd = n_open(c, ops->name, O_WRONLY | O_CREAT | O_TRUNC);
		must_be(write(fd, bytes, ops->len), ops->len);
		close(fd);
		free(bytes);
	}
}

/* ---- what the mount shows ---- */

static void see_file(struct core *c, const struct mafsd_entry *entry,
		     struct seen_file *file)
{
	struct mafsd_open *open;

	file->mode = entry->st.st_mode;
	file->n_links = entry->st.st_nlink;
	file->size = (uint64_t)entry->st.st_size;
	file->bytes = calloc(1, file->size + 1);
	if (S_ISLNK(file->mode)) {
		must_be(mafsd_readlink(c->d, entry->nodeid, (char *)file->bytes,
				       file->size + 1),
			0);
	} else if (S_ISREG(file->mode)) {
		open = core_open(c, entry->nodeid, O_RDONLY);
		must_be(core_read(c, open, file->bytes, file->size + 1, 0),
			file->size);
		mafsd_release(c->d, open);
	}
}

static void see_dir(struct core *c, uint64_t nodeid, const char *path,
		    struct seen *seen)
{
	struct mafsd_entry entry;
	struct mafsd_dir *dir;
	const char *name;
	char child[256];
	struct stat st;
	off_t next = 0;

	must_be(mafsd_opendir(c->d, nodeid, &dir), 0);
	while (mafsd_readdir(dir, next, &name, &st, &next) > 0) {
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(child, sizeof(child), "%s%s%s", path, *path ? "/" : "",
			 name);
		must_be(mafsd_lookup(c->d, nodeid, name, &entry), 0);
		see_file(c, &entry, seen_add(seen, child));
		if (S_ISDIR(entry.st.st_mode))
			see_dir(c, entry.nodeid, child, seen);
	}
	mafsd_closedir(dir);
}

void crash_see_mount(struct core *c, struct seen *ret)
{
	*ret = (struct seen){ 0 };
	see_dir(c, MAFSD_ROOT_ID, "", ret);
}
