// SPDX-License-Identifier: Apache-2.0
/*
 * A client: it follows the master's log, changes its table as the log says, and
 * has the kernel forget what is not so any more (note.c).
 *
 * Bytes: the master gives a freed extent to another file only when the entry
 * that frees it is flushed and the free epoch was raised after that. Here the
 * epoch is read before the log is followed. A copy counts if the epoch is the
 * same after it: whatever was freed since is not given away yet. Else the log
 * is followed first, and the copy is made again with the layout that it tells.
 *
 * Locks: follow_lock (one follower at a time), then m->swap, then inode->io,
 * then m->lock. Whoever uses inode->node without m->lock holds m->swap shared:
 * a log that was checkpointed away under us is replayed into a new table, which
 * takes the old one's place under m->swap held exclusively.
 */
#include "memvol.h"

#include <mafs/replay.h>
#include <string.h>
#include <time.h>

#define POLL_MS 100
#define N_ATTEMPTS 16
#define RETRY_MS 2

/* ---- one entry ---- */

static uint64_t file_of(const struct mafs_entry *entry)
{
	if (entry->type == MAFS_OMF_EXTENTS)
		return entry->extents.id;
	return entry->type == MAFS_OMF_SIZE ? entry->size.id : 0;
}

/* Kept by a lookup of ours; NULL: nobody reads it. */
static struct mafsm_inode *keep(struct mafsm *m, uint64_t id)
{
	struct mafs_node *node;
	struct mafsm_inode *inode;
	mafsm_change(&m->lock);

	node = mafsm_node(m, id);
	inode = node ? node->owner : NULL;
	if (inode)
		inode->nlookup++;
	return inode;
}

static int apply(struct mafsm *m, const struct mafs_entry *entry,
		 struct mafs_fault *fault)
{
	mafsm_change(&m->lock);

	return mafs_names_apply(m->names, entry, fault);
}

/* Return: -EAGAIN: somebody reads it by now. */
static int apply_unread(struct mafsm *m, const struct mafs_entry *entry,
			uint64_t id, struct mafs_fault *fault)
{
	struct mafs_node *node;
	mafsm_change(&m->lock);

	node = mafsm_node(m, id);
	if (node && node->owner)
		return -EAGAIN;
	return mafs_names_apply(m->names, entry, fault);
}

static int apply_to_file(struct mafsm *m, const struct mafs_entry *entry,
			 uint64_t id, struct mafs_fault *fault)
{
	struct mafsm_inode *inode;
	int r;

	while (!(inode = keep(m, id))) {
		r = apply_unread(m, entry, id, fault);
		if (r != -EAGAIN)
			return r;
	}
	pthread_rwlock_wrlock(&inode->io);
	r = apply(m, entry, fault);
	inode->loaded = false;
	pthread_rwlock_unlock(&inode->io);
	mafsm_forget(&m->fs, id, 1);
	return r;
}

/* What lost its last name goes. What never had one may be named yet
 * (O_TMPFILE). */
static void drop_nameless(struct mafsm *m, uint64_t id)
{
	struct mafs_node *node;
	mafsm_change(&m->lock);

	node = mafsm_node(m, id);
	if (node)
		mafs_names_drop(m->names, node);
}

/**
 * struct following - the sink
 */
struct following {
	struct mafsm *m;
	struct mafs_fault *fault;
};

/* One that is not found takes nothing from what is on the others. */
static int meet_device(struct mafsm *m, const struct mafs_entry *entry,
		       struct mafs_fault *fault)
{
	struct mafs_fault missing = MAFS_FAULT_INIT;
	int r = mafs_memory_volume_meet_device(m->volume, entry, &missing);

	if (r == -ENODEV) {
		mafs_warning("%s: %s", m->options.source, missing.what);
		return 0;
	}
	if (r < 0)
		*fault = missing;
	return r;
}

static int follow_entry(void *sink, const struct mafs_entry *entry,
			const struct mafs_log_position *position)
{
	struct following *following = sink;
	struct mafsm *m = following->m;
	uint64_t file = file_of(entry);
	int r;

	if (entry->type == MAFS_OMF_DEVICE_ADD)
		return meet_device(m, entry, following->fault);
	r = file ? apply_to_file(m, entry, file, following->fault) :
		   apply(m, entry, following->fault);
	if (r < 0)
		return r;
	mafsm_note_entry(m, entry);
	if (entry->type == MAFS_OMF_UNNAME)
		drop_nameless(m, entry->name.id);
	else if (entry->type == MAFS_OMF_RENAME)
		drop_nameless(m, entry->rename.other);
	return 0;
}

static const struct mafs_replay_ops follow_ops = { .entry = follow_entry };

/* ---- a log that was checkpointed away under us ---- */

/* What the kernel knows and the new table does not: a node without a name or
 * bytes. */
static struct mafs_node *remember(struct mafs_names *names,
				  const struct mafs_node *node)
{
	struct mafs_entry entry = {
		.type = MAFS_OMF_NODE,
		.quiet = true,
		.node = {
			.id = node->id,
			.mode = node->mode,
			.uid = node->uid,
			.gid = node->gid,
			.rdev = node->rdev,
			.atime = node->atime,
			.mtime = node->mtime,
			.ctime = node->ctime,
			.btime = node->btime,
			.target = node->target,
		},
	};

	if (mafs_names_apply(names, &entry, NULL) < 0)
		return NULL;
	return mafs_names_node(names, node->id);
}

static int hand_over(void *context, struct mafs_node *node)
{
	struct mafs_names *names = context;
	struct mafsm_inode *inode = node->owner;
	struct mafs_node *to;

	if (!inode)
		return 0;
	to = mafs_names_node(names, node->id);
	if (!to)
		to = remember(names, node);
	if (!to)
		return -ENOMEM;
	inode->node = to;
	inode->loaded = false;
	to->owner = inode;
	to->pins++;
	return 0;
}

static int swap_tables(struct mafsm *m, struct mafs_names *names)
{
	struct mafs_names *old = m->names;
	int r;

	pthread_rwlock_wrlock(&m->swap);
	pthread_rwlock_wrlock(&m->lock);
	r = mafs_names_visit(old, hand_over, names);
	if (r == 0) {
		m->names = names;
		m->volume->names = names;
	}
	pthread_rwlock_unlock(&m->lock);
	pthread_rwlock_unlock(&m->swap);
	if (r < 0)
		return r;
	/* Names that are gone were in the old one only. */
	mafs_names_visit(old, mafsm_note_node, m);
	mafs_names_visit(names, mafsm_note_node, m);
	mafs_names_free(old);
	return 0;
}

static void names_freep(struct mafs_names **names)
{
	mafs_names_free(*names);
}

/**
 * struct anew - the sink of a table that is not in use yet
 */
struct anew {
	struct mafsm *m;
	struct mafs_names *names;
	struct mafs_fault *fault;
};

static int anew_entry(void *sink, const struct mafs_entry *entry,
		      const struct mafs_log_position *position)
{
	struct anew *anew = sink;

	if (entry->type == MAFS_OMF_DEVICE_ADD)
		return meet_device(anew->m, entry, anew->fault);
	return mafs_names_apply(anew->names, entry, anew->fault);
}

static const struct mafs_replay_ops anew_ops = { .entry = anew_entry };

static int replay_anew(struct mafsm *m, struct mafs_fault *fault)
{
	_cleanup_(names_freep) struct mafs_names *names = NULL;
	struct anew anew = { .m = m, .fault = fault };
	struct mafs_log_reader *reader = NULL;
	int r;

	r = mafs_names_new(&names);
	anew.names = names;
	if (r == 0)
		r = mafs_log_reader_open(&mafs_pool_device(m->pool, 0)->media,
					 &reader, &m->volume->sb, fault);
	if (r == 0)
		r = mafs_replay_follow(reader, &anew_ops, &anew, fault);
	if (r >= 0)
		r = swap_tables(m, names);
	if (r < 0) {
		mafs_log_reader_close(reader);
		return r;
	}
	names = NULL;
	mafs_log_reader_close(m->volume->reader);
	m->volume->reader = reader;
	return 0;
}

/* ---- following ---- */

static int follow_once(struct mafsm *m, struct mafs_fault *fault)
{
	struct following following = { .m = m, .fault = fault };
	int r;

	if (!m->volume->reader)
		return replay_anew(m, fault);
	r = mafs_replay_follow(m->volume->reader, &follow_ops, &following,
			       fault);
	return r == -ESTALE ? replay_anew(m, fault) : r;
}

static void tell_trouble(struct mafsm *m, int r, const struct mafs_fault *fault)
{
	if (r == m->follow_error)
		return;
	m->follow_error = r;
	if (r < 0)
		mafs_error("%s: its log cannot be followed: %s",
			   m->options.source,
			   *fault->what ? fault->what : strerror(-r));
}

int mafsm_follow(struct mafsm *m)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_device *primary = mafs_pool_device(m->pool, 0);
	uint64_t epoch;
	int r;
	mafs_guard(&m->follow_lock);

	epoch = mafs_device_free_epoch(primary);
	r = follow_once(m, &fault);
	/* The master was faster than we; from the start once more. */
	for (int i = 0; r == -ESTALE && i < N_ATTEMPTS; i++) {
		epoch = mafs_device_free_epoch(primary);
		r = replay_anew(m, &fault);
	}
	tell_trouble(m, r < 0 ? r : 0, &fault);
	if (r < 0)
		return r;
	atomic_store(&m->followed_epoch, epoch);
	return 0;
}

/* Is no extent of our table given away yet? */
static bool is_valid(struct mafsm *m)
{
	if (!m->volume->reader) /* a shadow is taken at its word */
		return true;
	return mafs_device_free_epoch(mafs_pool_device(m->pool, 0)) ==
	       atomic_load(&m->followed_epoch);
}

/* The last name went: the master may have given its extents away. Whether a
 * program there has it open is not told. */
static bool is_gone(struct mafsm *m, const struct mafsm_inode *inode)
{
	mafsm_read(&m->lock);

	return inode->node->n_names == 0;
}

ssize_t mafsm_client_read(struct mafsm *m, struct mafsm_inode *inode,
			  void *bytes, size_t len, uint64_t offset)
{
	const struct timespec wait = { .tv_nsec = RETRY_MS * 1000000L };

	for (int i = 0; i < N_ATTEMPTS; i++) {
		bool valid = false;
		ssize_t n;
		int r;

		pthread_rwlock_rdlock(&m->swap);
		n = mafsm_read_begin(m, inode);
		if (n == 0) {
			mafs_pool_invalidate(m->pool, &inode->layout, offset,
					     offset + len);
			n = mafsm_read_locked(m, inode, bytes, len, offset);
			valid = is_valid(m);
			if (valid && is_gone(m, inode))
				n = -ESTALE;
			pthread_rwlock_unlock(&inode->io);
		}
		pthread_rwlock_unlock(&m->swap);
		if (n < 0 || valid)
			return n;
		r = mafsm_follow(m);
		if (r < 0)
			return -EIO;
		pthread_cond_signal(&m->tend_wake);
		if (i > 1)
			nanosleep(&wait, NULL);
	}
	return -EIO;
}

/* ---- the thread ---- */

static void *run_follower(void *argument)
{
	struct mafsm *m = argument;

	mafsd_thread_enter();
	do {
		(void)mafsm_follow(m);
		mafsm_send_notes(m);
	} while (!mafsm_pause(m, POLL_MS));
	mafsm_send_notes(m);
	return NULL;
}

int mafsm_follow_start(struct mafsm *m)
{
	int r = -pthread_create(&m->tender, NULL, run_follower, m);

	m->tender_running = r == 0;
	return r;
}
