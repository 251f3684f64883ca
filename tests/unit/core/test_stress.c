// SPDX-License-Identifier: Apache-2.0
/*
 * Many threads on few files, beside sync, push and pull. Each file has a
 * shadow copy here; at the end both are the same, in the mount and on N.
 *
 * The kernel's discipline is kept: changes of names are serialised, an inode
 * in use is not forgotten, writes of one file that could cut each other short
 * exclude each other. Threads write stripes of their own, so that writes of
 * one file run side by side. What failed is told with the file's history.
 *
 * MAFS_TEST_SEED and MAFS_SECONDS change what is run.
 */
#include "core_fixture.h"

#include <sys/prctl.h>

#define N_THREADS 6
#define N_FILES 8
#define STRIPE (96 * KIB)
#define SIZE_MAX_BYTES (N_THREADS * STRIPE)

/* What the kernel would know of one inode, and its bytes as they should be. */
struct object {
	unsigned int refs; /* under stress.names */
	uint64_t nodeid, nlookup; /* under stress.names */
	bool unlinked; /* under stress.names */
	/* Shared: a stripe of one's own; exclusive: size, all bytes. */
	pthread_rwlock_t lock;
	pthread_mutex_t size_lock; /* of size, with lock held shared */
	uint64_t size;
	uint8_t *bytes; /* zeros behind size */
};

/* Something that was done to a file, and the file right after. */
struct event {
	uint64_t nodeid;
	unsigned int thread;
	const char *what;
	uint64_t start, len;
	long long result;
	char after[120];
};

#define N_EVENTS 4096U
#define N_EVENTS_SHOWN 50U

struct stress {
	struct core *c;
	struct event events[N_EVENTS]; /* the last of them */
	atomic_uint n_events;
	pthread_mutex_t names; /* as the kernel's lock of the directory */
	struct object *objects[N_FILES]; /* under names; NULL: no such file */
	atomic_bool done;
	bool hot; /* files go up at each use, their writers past us */
	unsigned int seed;
	atomic_uint n_operations;
};

struct worker {
	struct stress *s;
	unsigned int index, seed;
	uint8_t bytes[STRIPE];
};

static unsigned int dice(struct worker *w, unsigned int n)
{
	return (unsigned int)rand_r(&w->seed) % n;
}

static const char *name_of(unsigned int index)
{
	static const char names[N_FILES][3] = { "f0", "f1", "f2", "f3",
						"f4", "f5", "f6", "f7" };

	return names[index];
}

/* ---- history ---- */

static void describe(struct mafsd *d, uint64_t nodeid, char *ret, size_t len)
{
	static const char *const states[] = { "cold", "clean", "dirty",
					      "writing" };
	struct mafsd_inode *inode = mafsd_inode_by_id(d, nodeid);
	const struct mafsd_file *file;
	struct stat n = { 0 };
	mafs_guard(&inode->lock);

	mafsd_stat_n(d, inode, &n);
	file = inode->file;
	if (!file) {
		snprintf(ret, len, "no file, N %lld", (long long)n.st_size);
		return;
	}
	snprintf(ret, len,
		 "%s %c%s%s%s, open %u, id %llu gen %llu, dirty %llu%s, N %lld",
		 states[file->state], "-MDC"[file->path],
		 file -> on_n ? " on_n" : "", file->stale ? " stale" : "",
		 file->wb_busy ? " busy" : "", file->n_open,
		 (unsigned long long)file->id, (unsigned long long)file->gen,
		 (unsigned long long)file->dirty_bytes,
		 file->dirty_whole ? " whole" : "", (long long)n.st_size);
}

static void note(struct worker *w, uint64_t nodeid, const char *what,
		 uint64_t start, uint64_t len, long long result)
{
	struct stress *s = w->s;
	unsigned int i = atomic_fetch_add_explicit(&s->n_events, 1,
						   memory_order_relaxed);
	struct event *event = &s->events[i % N_EVENTS];

	*event = (struct event){ .nodeid = nodeid,
				 .thread = w->index,
				 .what = what,
				 .start = start,
				 .len = len,
				 .result = result };
	describe(s->c->d, nodeid, event->after, sizeof(event->after));
}

static void show_history(struct stress *s, uint64_t nodeid)
{
	unsigned int end = s->n_events, i = end, n = 0;
	unsigned int first = end > N_EVENTS ? end - N_EVENTS : 0;

	while (i > first && n < N_EVENTS_SHOWN)
		n += s->events[--i % N_EVENTS].nodeid == nodeid;
	for (; i < end; i++) {
		const struct event *event = &s->events[i % N_EVENTS];

		if (event->nodeid == nodeid)
			fprintf(stderr,
				"%u: thread %u %s %llu+%llu = %lld: %s\n", i,
				event->thread, event->what,
				(unsigned long long)event->start,
				(unsigned long long)event->len, event->result,
				event->after);
	}
}

/* @n bytes were read at @start, where the file should have @len; behind its
 * end are zeros. */
static bool is_as_object(struct stress *s, const struct object *object,
			 const char *what, const uint8_t *bytes, size_t n,
			 uint64_t start, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (object->bytes[start + i] != (i < n ? bytes[i] : 0))
			break;
	if (i == len)
		return true;
	show_history(s, object->nodeid);
	fprintf(stderr, "%s: byte %llu is %d, not %d; %zu bytes at %llu\n",
		what, (unsigned long long)(start + i), i < n ? bytes[i] : -1,
		object->bytes[start + i], n, (unsigned long long)start);
	return false;
}

/* ---- objects ---- */

static struct object *object_new(uint64_t nodeid)
{
	struct object *object = calloc(1, sizeof(*object));

	object->refs = 1;
	object->nodeid = nodeid;
	object->nlookup = 1;
	object->bytes = calloc(1, SIZE_MAX_BYTES);
	pthread_rwlock_init(&object->lock, NULL);
	pthread_mutex_init(&object->size_lock, NULL);
	return object;
}

/* Context: names held. */
static void object_unref(struct stress *s, struct object *object)
{
	if (!object || --object->refs)
		return;
	mafsd_forget(s->c->d, object->nodeid, object->nlookup);
	pthread_rwlock_destroy(&object->lock);
	pthread_mutex_destroy(&object->size_lock);
	free(object->bytes);
	free(object);
}

static void object_put(struct stress *s, struct object *object)
{
	mafs_guard(&s->names);

	object_unref(s, object);
}

/* Without a name and without an open, N has it no more. */
static bool is_gone(struct stress *s, const struct object *object, int r)
{
	mafs_guard(&s->names);

	return r == -ESTALE && object->unlinked;
}

/* ---- names ---- */

/* An open of one program, with the kernel's file behind it. */
struct handle {
	struct mafsd_open *open;
	int fd; /* what the kernel serves from; -1 */
};

/* The kernel has the reply some time before it opens the backing file. */
static void handle_take(struct worker *w, struct mafsd_open *open,
			struct handle *ret)
{
	ret->open = open;
	ret->fd = -1;
	if (dice(w, 8) == 0)
		usleep(dice(w, 2000));
	if (open->passthrough && !open->direct_io)
		ret->fd = kernel_reopen(&w->s->c->kernel, open->backing_id,
					open->flags & O_ACCMODE);
}

static void handle_close(struct stress *s, struct handle *handle)
{
	int r = mafsd_flush(s->c->d, handle->open);

	must_be(r, 0);
	mafs_closep(&handle->fd);
	mafsd_release(s->c->d, handle->open);
}

/* Context: names held. */
static void create(struct worker *w, unsigned int i)
{
	struct stress *s = w->s;
	struct mafsd_open *open = NULL;
	struct mafsd_entry entry;
	struct handle handle;

	must_be(mafsd_create(s->c->d, &t_root, MAFSD_ROOT_ID, name_of(i), 0644,
			     O_RDWR | O_EXCL, &entry, &open),
		0);
	s->objects[i] = object_new(entry.nodeid);
	handle_take(w, open, &handle);
	handle_close(s, &handle);
}

/* Context: names held. */
static void unlink_one(struct worker *w, unsigned int i)
{
	struct stress *s = w->s;

	must_be(mafsd_unlink(s->c->d, MAFSD_ROOT_ID, name_of(i)), 0);
	s->objects[i]->unlinked = true;
	object_unref(s, s->objects[i]);
	s->objects[i] = NULL;
}

/* Context: names held. */
static void rename_one(struct worker *w, unsigned int i, unsigned int to)
{
	struct stress *s = w->s;
	bool exchange = s->objects[to] && dice(w, 2);
	struct object *victim = s->objects[to];

	if (i == to)
		return;
	must_be(mafsd_rename(s->c->d, MAFSD_ROOT_ID, name_of(i), MAFSD_ROOT_ID,
			     name_of(to), exchange ? RENAME_EXCHANGE : 0),
		0);
	s->objects[to] = s->objects[i];
	s->objects[i] = exchange ? victim : NULL;
	if (!exchange && victim)
		victim->unlinked = true;
	if (!exchange)
		object_unref(s, victim);
}

/* Context: names held. */
static void look_up(struct worker *w, unsigned int i)
{
	struct stress *s = w->s;
	struct mafsd_entry entry;

	must_be(mafsd_lookup(s->c->d, MAFSD_ROOT_ID, name_of(i), &entry), 0);
	must_be(entry.nodeid, s->objects[i]->nodeid);
	s->objects[i]->nlookup++;
}

static void change_names(struct worker *w)
{
	struct stress *s = w->s;
	unsigned int i = dice(w, N_FILES);
	mafs_guard(&s->names);

	if (!s->objects[i])
		create(w, i);
	else if (dice(w, 4) == 0)
		unlink_one(w, i);
	else if (dice(w, 2))
		rename_one(w, i, dice(w, N_FILES));
	else
		look_up(w, i);
}

/* A file, made where there is none; the caller's reference. */
static struct object *take_object(struct worker *w)
{
	struct stress *s = w->s;
	unsigned int i = dice(w, N_FILES);
	mafs_guard(&s->names);

	if (!s->objects[i])
		create(w, i);
	s->objects[i]->refs++;
	return s->objects[i];
}

/* ---- bytes ---- */

/* Only an X whose readers keep it in memory may find memory full. */
static bool is_full(const struct handle *handle, ssize_t n)
{
	return n == -ENOSPC && handle->open->passthrough;
}

static ssize_t store(int fd, const void *bytes, size_t len, uint64_t offset)
{
	ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static void write_stripe(struct worker *w, struct object *object,
			 struct handle *handle)
{
	struct stress *s = w->s;
	uint64_t start = w->index * STRIPE + dice(w, STRIPE - 1);
	size_t len =
		1 + dice(w, (unsigned int)((w->index + 1) * STRIPE - start));
	ssize_t n;

	memset(w->bytes, (int)(1 + dice(w, 255)), len);
	pthread_rwlock_rdlock(&object->lock);
	if (handle->fd >= 0)
		n = store(handle->fd, w->bytes, len, start);
	else
		n = mafsd_write(s->c->d, &t_root, handle->open, w->bytes, len,
				start, dice(w, 40) ? 0 : O_DSYNC, false, true);
	if (!is_full(handle, n))
		must(n > 0);
	if (n > 0) {
		memcpy(object->bytes + start, w->bytes, (size_t)n);
		pthread_mutex_lock(&object->size_lock);
		if (object->size < start + (uint64_t)n)
			object->size = start + (uint64_t)n;
		pthread_mutex_unlock(&object->size_lock);
	}
	note(w, object->nodeid, handle->fd >= 0 ? "stores" : "writes", start,
	     len, n);
	pthread_rwlock_unlock(&object->lock);
}

static ssize_t read_some(struct stress *s, struct handle *handle, void *bytes,
			 size_t len, uint64_t offset)
{
	if (handle->fd >= 0)
		return pread(handle->fd, bytes, len, (off_t)offset);
	return mafsd_read(s->c->d, handle->open, bytes, len, offset);
}

/* One's own stripe cannot change under a shared lock, but may be longer by
 * what others write behind it: what is short is zeros. */
static void read_stripe(struct worker *w, struct object *object,
			struct handle *handle)
{
	uint64_t start = w->index * STRIPE;
	ssize_t n;

	pthread_rwlock_rdlock(&object->lock);
	n = read_some(w->s, handle, w->bytes, STRIPE, start);
	must(n >= 0);
	must(is_as_object(w->s, object, "read", w->bytes, (size_t)n, start,
			  STRIPE));
	pthread_rwlock_unlock(&object->lock);
}

/* Context: object->lock held exclusively. */
static void shadow_resize(struct object *object, uint64_t size)
{
	if (size < object->size)
		memset(object->bytes + size, 0, object->size - size);
	object->size = size;
}

static void resize(struct worker *w, struct object *object, bool is_open)
{
	struct stat attr = { .st_size = dice(w, SIZE_MAX_BYTES) }, st;
	bool is_volatile;
	int r;

	pthread_rwlock_wrlock(&object->lock);
	r = mafsd_setattr(w->s->c->d, &t_root, object->nodeid, &attr,
			  MAFSD_SET_SIZE | MAFSD_SET_MTIME_NOW, true, &st,
			  &is_volatile);
	if (is_open || !is_gone(w->s, object, r)) {
		must_be(r, 0);
		must_be(st.st_size, attr.st_size);
		shadow_resize(object, (uint64_t)attr.st_size);
	}
	note(w, object->nodeid, "resizes", (uint64_t)attr.st_size, 0, r);
	pthread_rwlock_unlock(&object->lock);
}

static void allocate(struct worker *w, struct object *object,
		     struct handle *handle)
{
	static const struct {
		const char *what;
		int mode;
	} modes[] = {
		{ "allocates", 0 },
		{ "allocates, keeping the size,", FALLOC_FL_KEEP_SIZE },
		{ "punches", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zeroes", FALLOC_FL_ZERO_RANGE },
	};
	size_t i = dice(w, MAFS_ARRAY_SIZE(modes));
	int mode = modes[i].mode, r;
	uint64_t start = dice(w, SIZE_MAX_BYTES - 1);
	uint64_t len = 1 + dice(w, (unsigned int)(SIZE_MAX_BYTES - start));

	pthread_rwlock_wrlock(&object->lock);
	r = mafsd_fallocate(w->s->c->d, &t_root, handle->open, mode, start, len,
			    true);
	/* tmpfs has no ZERO_RANGE. */
	if (!is_full(handle, r) &&
	    (mode != FALLOC_FL_ZERO_RANGE || r != -EOPNOTSUPP))
		must_be(r, 0);
	if (r == 0) {
		if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
			memset(object->bytes + start, 0, len);
		if (!(mode & FALLOC_FL_KEEP_SIZE) && start + len > object->size)
			object->size = start + len;
	}
	note(w, object->nodeid, modes[i].what, start, len, r);
	pthread_rwlock_unlock(&object->lock);
}

static void set_attributes(struct worker *w, struct object *object)
{
	struct stat attr = { .st_mode = 0600 + dice(w, 2) * 044,
			     .st_mtim = { .tv_sec = 1 + dice(w, 1000000) } };
	bool is_volatile;
	struct stat st;
	int r;

	r = mafsd_setattr(w->s->c->d, &t_root, object->nodeid, &attr,
			  dice(w, 2) ? MAFSD_SET_MODE : MAFSD_SET_MTIME, true,
			  &st, &is_volatile);
	note(w, object->nodeid, "sets attributes", 0, 0, r);
	if (!is_gone(w->s, object, r))
		must_be(r, 0);
}

static void get_attributes(struct worker *w, struct object *object,
			   bool is_open)
{
	bool is_volatile;
	struct stat st;
	int r;

	pthread_rwlock_wrlock(&object->lock);
	r = mafsd_getattr(w->s->c->d, object->nodeid, &st, &is_volatile);
	if (is_open || !is_gone(w->s, object, -ESTALE)) {
		must_be(r, 0);
		must_be(st.st_size, object->size);
	}
	pthread_rwlock_unlock(&object->lock);
}

static void use_writer(struct worker *w, struct object *object,
		       struct handle *handle)
{
	for (unsigned int n = 1 + dice(w, 6); n > 0; n--) {
		switch (dice(w, 10)) {
		case 0:
			resize(w, object, true);
			break;
		case 1:
			allocate(w, object, handle);
			break;
		case 2:
			read_stripe(w, object, handle);
			break;
		case 3:
			must_be(mafsd_fsync(w->s->c->d, handle->open,
					    dice(w, 2)),
				0);
			note(w, object->nodeid, "fsyncs", 0, 0, 0);
			break;
		case 4:
			get_attributes(w, object, true);
			break;
		default:
			write_stripe(w, object, handle);
		}
	}
}

static void use_bytes(struct worker *w)
{
	static const int flags[] = { O_RDONLY, O_RDWR, O_RDWR, O_RDWR | O_TRUNC,
				     O_RDWR | O_SYNC };
	struct object *object = take_object(w);
	int how = flags[dice(w, MAFS_ARRAY_SIZE(flags))];
	struct mafsd_open *open = NULL;
	struct handle handle;
	int r;

	if (how & O_TRUNC)
		pthread_rwlock_wrlock(&object->lock);
	/* As the adapter: first in the handler, then on the pool. */
	r = mafsd_open(w->s->c->d, &t_root, object->nodeid, how, false, &open);
	if (r == MAFSD_WOULD_BLOCK)
		r = mafsd_open(w->s->c->d, &t_root, object->nodeid, how, true,
			       &open);
	if (is_gone(w->s, object, r)) {
		if (how & O_TRUNC)
			pthread_rwlock_unlock(&object->lock);
		object_put(w->s, object);
		return;
	}
	must_be(r, 0);
	note(w, object->nodeid, how & O_TRUNC ? "truncates" : "opens", 0, 0,
	     how);
	handle_take(w, open, &handle);
	if (how & O_TRUNC) {
		shadow_resize(object, 0);
		pthread_rwlock_unlock(&object->lock);
	}
	if ((how & O_ACCMODE) == O_RDONLY)
		read_stripe(w, object, &handle);
	else
		use_writer(w, object, &handle);
	handle_close(w->s, &handle);
	note(w, object->nodeid, "closes", 0, 0, how);
	object_put(w->s, object);
}

static void use_attributes(struct worker *w)
{
	struct object *object = take_object(w);

	switch (dice(w, 3)) {
	case 0:
		resize(w, object, false);
		break;
	case 1:
		set_attributes(w, object);
		break;
	default:
		get_attributes(w, object, false);
	}
	object_put(w->s, object);
}

/* ---- threads ---- */

static void *work(void *argument)
{
	struct worker *w = argument;

	mafsd_thread_enter();
	while (!w->s->done) {
		switch (dice(w, 10)) {
		case 0:
		case 1:
			change_names(w);
			break;
		case 2:
		case 3:
			use_attributes(w);
			break;
		default:
			use_bytes(w);
		}
		w->s->n_operations++;
	}
	return NULL;
}

/* As people change their minds. */
static void change_policy(struct worker *w)
{
	static const enum mafsd_policy policies[] = {
		MAFSD_POLICY_HOT,
		MAFSD_POLICY_HOT,
		MAFSD_POLICY_TIERED,
		MAFSD_POLICY_PINNED,
	};
	const char *text = mafsd_policy_to_text(
		policies[dice(w, MAFS_ARRAY_SIZE(policies))]);

	must_be(mafsd_policy_setxattr(w->s->c->d, &t_root, MAFSD_ROOT_ID, text,
				      strlen(text), 0),
		0);
	must_be(mafsd_set(w->s->c->d, "writes",
			  dice(w, 2) ? "copy" : "passthrough", NULL),
		0);
}

static void *administrate(void *argument)
{
	struct worker *w = argument;
	struct mafsd *d = w->s->c->d;
	struct mafsd_dirty *troubles;
	struct mafsd_file_info info;
	struct mafsd_status status;
	uint64_t n_moved, n_kept;
	size_t n;

	while (!w->s->done) {
		if (w->s->hot && dice(w, 4) == 0)
			change_policy(w);
		switch (dice(w, 6)) {
		case 0:
			must_be(mafsd_sync(d, NULL), 0);
			break;
		case 1:
			must_be(t_push(d, "", &n_moved, &n_kept, NULL), 0);
			break;
		case 2:
			must_be(t_pull(d, "", &n_moved, &n_kept, NULL), 0);
			break;
		case 3:
			t_push(d, name_of(dice(w, N_FILES)), &n_moved, &n_kept,
			       NULL);
			break;
		case 4:
			t_pull(d, name_of(dice(w, N_FILES)), &n_moved, &n_kept,
			       NULL);
			break;
		default:
			mafsd_status(d, &status);
			must_be(mafsd_dirty_list(d, false, SIZE_MAX, &troubles,
						 &n),
				0);
			mafsd_dirty_list_free(troubles, n);
			if (mafsd_file_info(d, NULL, name_of(dice(w, N_FILES)),
					    &info, NULL) == 0)
				mafs_map_done(&info.map);
		}
	}
	return NULL;
}

/* ---- the end ---- */

static bool n_is(struct stress *s, const char *name,
		 const struct object *object)
{
	_cleanup_free_ uint8_t *bytes = malloc(SIZE_MAX_BYTES + 1);
	_cleanup_close_ int fd = n_open(s->c, name, O_RDONLY);
	ssize_t n = read(fd, bytes, SIZE_MAX_BYTES + 1);

	return is_as_object(s, object, "N", bytes, (size_t)n, 0,
			    SIZE_MAX_BYTES) &&
	       n == (ssize_t)object->size;
}

static bool mount_is(struct stress *s, const struct object *object)
{
	_cleanup_free_ uint8_t *bytes = malloc(SIZE_MAX_BYTES + 1);
	struct mafsd_open *open = core_open(s->c, object->nodeid, O_RDONLY);
	ssize_t n = core_read(s->c, open, bytes, SIZE_MAX_BYTES + 1, 0);

	mafsd_release(s->c->d, open);
	return is_as_object(s, object, "mount", bytes, (size_t)n, 0,
			    SIZE_MAX_BYTES) &&
	       n == (ssize_t)object->size;
}

static unsigned int number_from(const char *variable, unsigned int otherwise)
{
	const char *text = getenv(variable);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

static void run_stress(struct core *c, unsigned int seconds, bool hot)
{
	static struct stress s;
	static struct worker workers[N_THREADS + 1];
	pthread_t threads[N_THREADS + 1];

	memset(&s, 0, sizeof(s));
	s.c = c;
	s.hot = hot;
	s.seed = number_from("MAFS_TEST_SEED", 4711);
	pthread_mutex_init(&s.names, NULL);
	core_option(c, "writeback_after", "20ms");
	core_option(c, "writeback_most", "100ms");
	core_start(c);
	t_no_jump = true; /* must() ends the process */
	for (unsigned int i = 0; i <= N_THREADS; i++) {
		workers[i] = (struct worker){ .s = &s,
					      .index = i,
					      .seed = s.seed * 97 + i };
		must_be(pthread_create(&threads[i], NULL,
				       i < N_THREADS ? work : administrate,
				       &workers[i]),
			0);
	}
	usleep(number_from("MAFS_SECONDS", seconds) * 1000000);
	s.done = true;
	for (unsigned int i = 0; i <= N_THREADS; i++)
		pthread_join(threads[i], NULL);
	t_no_jump = false;
	print_message("%u operations: %u written back, %u promoted, %u "
		      "evicted, %u spilled\n",
		      s.n_operations, (unsigned int)c->d->n_written_back,
		      (unsigned int)c->d->n_promoted,
		      (unsigned int)c->d->n_evicted,
		      (unsigned int)c->d->n_spilled);

	assert_int_equal(c->d->n_open, 0);
	assert_int_equal(c->d->n_conflicts, 0);
	for (unsigned int i = 0; i < N_FILES; i++)
		if (s.objects[i])
			assert_true(mount_is(&s, s.objects[i]));
	/* Write-back of what was unlinked keeps it to its end. */
	for (unsigned int i = 0; i < 60000 && kernel_n_backings(&c->kernel);
	     i++)
		usleep(1000);
	assert_int_equal(kernel_n_backings(&c->kernel), 0);
	must_be(mafsd_sync(c->d, NULL), 0);
	for (unsigned int i = 0; i < N_FILES; i++) {
		if (!s.objects[i])
			assert_false(n_exists(c, name_of(i)));
		else
			assert_true(n_is(&s, name_of(i), s.objects[i]));
		object_unref(&s, s.objects[i]);
	}
	core_stop(c);
	pthread_mutex_destroy(&s.names);
}

static void test_stress_on_disk(void **state)
{
	run_stress(*state, 2, false);
}

static void test_stress_on_tmpfs(void **state)
{
	run_stress(*state, 2, false);
}

static void test_stress_in_little_memory(void **state)
{
	struct core *c = *state;

	c->options.memory.size_bytes = 3 * MIB;
	run_stress(c, 1, false);
}

/* Promotion by use, too. */
static void test_stress_of_hot_files(void **state)
{
	struct core *c = *state;

	core_option(c, "promote", "1h");
	run_stress(c, 2, true);
}

static void test_stress_without_passthrough(void **state)
{
	struct core *c = *state;

	c->kernel.forbids = true;
	run_stress(c, 1, false);
}

/* Another process changes modes on N: ctime moves, the bytes stay. */
static pid_t start_stranger(struct core *c)
{
	pid_t child = fork();

	must(child >= 0);
	if (child == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned int i = 0; child == 0; i++) {
		chmod(t_path(c->n, name_of(i % N_FILES)),
		      0600 | i / N_FILES % 8);
		usleep(200);
	}
	return child;
}

/* No change of our own is taken for a stranger's. */
static void test_stress_beside_a_stranger(void **state)
{
	struct core *c = *state;
	pid_t stranger = start_stranger(c);

	core_option(c, "shared_dir", "on");
	run_stress(c, 2, true);
	kill(stranger, SIGKILL);
	waitpid(stranger, NULL, 0);
}

/* Flushes that cost nothing: more happens in the time. */
static int setup_on_tmpfs(void **state)
{
	int r = core_setup(state);
	struct core *c = *state;

	must_be(mount("t", c->place, "tmpfs", 0, "mode=0700"), 0);
	must_be(mkdir(c->n, 0755), 0);
	must_be(mkdir(c->mnt, 0755), 0);
	return r;
}

#define STRESS_TEST(function, setup) \
	cmocka_unit_test_setup_teardown(function, setup, core_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CORE_TEST(test_stress_on_disk),
		STRESS_TEST(test_stress_on_tmpfs, setup_on_tmpfs),
		STRESS_TEST(test_stress_in_little_memory, setup_on_tmpfs),
		STRESS_TEST(test_stress_of_hot_files, setup_on_tmpfs),
		STRESS_TEST(test_stress_without_passthrough, setup_on_tmpfs),
		STRESS_TEST(test_stress_beside_a_stranger, setup_on_tmpfs),
	};
	int r = t_become_private();

	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
