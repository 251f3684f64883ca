/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon's life: open the volume, find or make its memory, run, write all
 * back, end the session.
 *
 * Order of the end, each step may be run again: write back and flush; session
 * stored as ended; memory destroyed. Killed before the second, the next daemon
 * finds the memory; killed before the third, it removes it.
 */
#include "copy_down.h"
#include "orphans.h"
#include "replaced.h"

#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define STOP_ATTEMPTS 3
#define SLOTS_MAX 4096U
#define SLOTS_MIN 32U
#define BATCH_MAX 256U

static void init_locks(struct mafsd *d)
{
	pthread_mutex_init(&d->names_lock, NULL);
	pthread_mutex_init(&d->settings_lock, NULL);
	pthread_mutex_init(&d->journal.lock, NULL);
	pthread_mutex_init(&d->space.lock, NULL);
	pthread_cond_init(&d->space.asked, NULL);
	pthread_cond_init(&d->space.answered, NULL);
	pthread_mutex_init(&d->queue_lock, NULL);
	pthread_mutex_init(&d->sync_lock, NULL);
	pthread_mutex_init(&d->recover_lock, NULL);
	pthread_mutex_init(&d->wb_lock, NULL);
	pthread_cond_init(&d->wb_wake, NULL);
	pthread_cond_init(&d->wb_round, NULL);
	pthread_mutex_init(&d->wb_spare_lock, NULL);
	pthread_mutex_init(&d->pressure.lock, NULL);
	pthread_mutex_init(&d->usage.lock, NULL);
	pthread_cond_init(&d->pressure.wake, NULL);
	pthread_mutex_init(&d->promote_small.lock, NULL);
	pthread_cond_init(&d->promote_small.wake, NULL);
	pthread_mutex_init(&d->promote_large.lock, NULL);
	pthread_cond_init(&d->promote_large.wake, NULL);
}

/* Descriptors are shared out: slots, a round of write-back, files without a
 * name, the rest. */
static void share_descriptors(struct mafsd *d)
{
	struct rlimit limit = { .rlim_cur = 1024 };
	size_t n;

	getrlimit(RLIMIT_NOFILE, &limit);
	n = limit.rlim_cur / 2;
	n = n > SLOTS_MAX ? SLOTS_MAX : n < SLOTS_MIN ? SLOTS_MIN : n;
	mafsd_slots_init(&d->slots, n);
	n = limit.rlim_cur / 8;
	d->batch_max = n > BATCH_MAX ? BATCH_MAX : n < 4 ? 4 : n;
	d->pin_fds_max = n;
}

/* What N's file system and our rights allow. */
static int look_at_n(struct mafsd *d, struct mafs_fault *fault)
{
	struct mafs_handle handle;
	struct statfs fs;
	struct stat st;
	int fd;

	d->n_fd = openat(d->volume->n_fd, ".",
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->n_fd < 0 || fstat(d->n_fd, &st) < 0 || fstatfs(d->n_fd, &fs) < 0)
		return mafs_fault_set(fault, -errno, "%s: %s",
				      d->options.source, strerror(errno));
	d->n_dev = st.st_dev;
	d->root = geteuid() == 0;
	d->cloned = d->root && mafs_have_capability(CAP_SYS_ADMIN);
	d->fs_id = d->volume->session.fs_id;
	d->n_overlay = fs.f_type == OVERLAYFS_SUPER_MAGIC;
	d->orders_names = mafs_fs_keeps_order(d->n_fd) ||
			  fs.f_type == TMPFS_MAGIC; /* which forgets all */
	d->names_by_log = d->orders_names || fs.f_type == BTRFS_SUPER_MAGIC;
	d->handles = mafs_handle_of(d->n_fd, "", &handle) == 0;
	if (d->handles && d->root) {
		fd = mafs_handle_open(d->n_fd, &handle, O_PATH);
		if (fd < 0)
			d->handles = false;
		else
			close(fd);
	}
	return 0;
}

static int make_root_inode(struct mafsd *d)
{
	struct stat st;

	if (fstat(d->n_fd, &st) < 0)
		return -errno;
	return mafsd_inode_of(d, d->n_fd, &st, true, &d->root_inode);
}

/* ---- memory ---- */

static bool left_on_this_boot(struct mafsd *d)
{
	const struct mafs_session *previous = &d->volume->previous;

	return previous->number > 0 && previous->open &&
	       mafs_uuid_equal(&previous->boot_id, &d->volume->session.boot_id);
}

static int default_size(struct mafsd *d)
{
	struct mafs_bounds bounds;
	int r;

	if (d->options.memory.size_bytes > 0 ||
	    strcmp(d->options.memory.kind, "tmpfs") != 0)
		return 0;
	r = mafs_bounds_read(&bounds);
	if (r < 0)
		return r;
	d->options.memory.size_bytes = bounds.ram_bytes / 2;
	if (bounds.cgroup_bytes / 2 < d->options.memory.size_bytes)
		d->options.memory.size_bytes = bounds.cgroup_bytes / 2;
	if (bounds.available_bytes < d->options.memory.size_bytes)
		d->options.memory.size_bytes = bounds.available_bytes;
	return 0;
}

/* Bytes of a session that ended go; the mount point stays. */
static int clear_memory_path(struct mafsd *d, struct mafs_fault *fault)
{
	const char *path = d->volume->memory_path;
	int r;

	r = mafs_memory_destroy(path, fault);
	if (r < 0)
		return r;
	if (d->cloned && mkdir(path, 0700) < 0 && errno != EEXIST)
		return mafs_fault_set(fault, -errno, "%s: %s", path,
				      strerror(errno));
	return 0;
}

/* Bytes that are kept elsewhere are not lost, and a session of ours would be
 * the end of them. */
static int refuse_elsewhere(struct mafsd *d, struct mafs_fault *fault)
{
	const char *theirs = d->volume->previous.runtime_dir;
	struct stat st;

	if (strcmp(theirs, d->volume->runtime_dir) == 0 ||
	    lstat(theirs, &st) < 0)
		return 0;
	return mafs_fault_set(fault, -EBUSY,
			      "%s has bytes in the memory of another session, "
			      "that of %s, which belongs to user %u: mount it "
			      "as it was then; or give them up by mafs umount "
			      "--discard, and remove that directory",
			      d->options.source, theirs, st.st_uid);
}

static int open_memory(struct mafsd *d, struct mafs_fault *fault)
{
	const char *path = d->volume->memory_path;
	struct mafs_memory_usage usage;
	bool recover = false;
	int r;

	r = default_size(d);
	if (r < 0)
		return mafs_fault_set(fault, r, "size of memory: %s",
				      strerror(-r));
	if (left_on_this_boot(d)) {
		r = mafs_memory_attach(path, false, &d->memory, fault);
		if (r < 0 && r != -ENOENT)
			return r;
		recover = r == 0;
		r = recover ? 0 : refuse_elsewhere(d, fault);
		if (r < 0)
			return r;
	}
	d->lost_memory = !recover && d->volume->previous.number > 0 &&
			 d->volume->previous.open;
	if (d->lost_memory)
		mafs_warning("%s: the memory of its last session is gone, by "
			     "a power cut or given up; what was never written "
			     "back will be listed in mafs status",
			     d->options.source);
	if (recover && d->options.read_only)
		return mafs_fault_set(fault, -EROFS,
				      "%s has bytes in memory that an earlier "
				      "daemon did not write back; mount it "
				      "without ro first",
				      d->options.source);
	if (!recover) {
		r = clear_memory_path(d, fault);
		if (r < 0)
			return r;
		r = mafs_memory_make(path, &d->options.memory, &d->volume->uuid,
				     &d->memory, fault);
		if (r < 0)
			return r;
	}
	r = mafsd_journal_open(d, recover, fault);
	if (r < 0 && !recover) {
		d->memory->ops->free(take_ptr(d->memory));
		mafs_memory_destroy(path, NULL);
	}
	if (r < 0)
		return r;
	r = d->memory->ops->usage(d->memory, &usage);
	if (r < 0)
		return r;
	d->memory_size_bytes = usage.size_bytes;
	mafsd_settings_apply(d);
	r = d->policy_ops->new (d->memory_size_bytes, &d->policy);
	if (r == 0 && recover)
		r = mafsd_orphans_remove(d);
	if (r < 0 || d->options.read_only)
		return r;
	r = mafsd_pin_begin(d);
	return r < 0 ? r : mafsd_replaced_begin(d, recover, fault);
}

/* ---- start ---- */

static int start(struct mafsd *d, struct mafs_fault *fault)
{
	int r;

	r = mafs_volume_open(d->options.source, d->options.mountpoint,
			     d->options.read_only, &d->volume, fault);
	if (r < 0)
		return r;
	r = mafsd_settings_load(d, fault);
	d->fs.shared = d->shared.on = r == 0 && d->settings.shared_dir;
	d->fs.cached_s = d->shared.on ? MAFSD_SHARED_CACHED_S : MAFSD_CACHED_S;
	if (r == 0)
		r = look_at_n(d, fault);
	if (r < 0)
		return r;
	share_descriptors(d);
	r = mafsd_table_init(d);
	if (r == 0)
		r = make_root_inode(d);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", d->options.source,
				      strerror(-r));
	r = open_memory(d, fault);
	if (r < 0)
		return r;
	r = mafsd_room_look(d);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s: %s", d->options.source,
				      strerror(-r));
	r = mafsd_spare_buffer(d);
	if (r < 0)
		return r;
	return d->root ? mafs_capabilities_limit() : 0;
}

int mafsd_start(const struct mafsd_options *options, struct mafsd **ret,
		struct mafs_fault *fault)
{
	struct mafsd *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->fs.ops = &mafsd_tiered_ops;
	d->fs.passthrough = geteuid() == 0;
	d->options = *options;
	d->policy_ops = &mafs_policy_s3fifo;
	d->n_fd = -1;
	d->replaced_fd = d->unlinked_fd = -1;
	d->tier = &mafs_tier_disk;
	d->started_ms = mafsd_now_ms();
	init_locks(d);
	r = start(d, fault);
	if (r < 0) {
		mafsd_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

/* ---- the kernel ---- */

static bool can_back(struct mafsd *d, int fd)
{
	int id = d->kernel->backing_open(d->kernel_context, fd);

	if (id > 0)
		d->kernel->backing_close(d->kernel_context, id);
	return id > 0;
}

/* A file without a name, to try a backing id with. */
static bool n_can_back(struct mafsd *d)
{
	_cleanup_close_ int fd = -1;

	if (d->n_overlay || d->options.read_only)
		return false;
	fd = openat(d->n_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return fd >= 0 && can_back(d, fd);
}

static bool memory_can_back(struct mafsd *d)
{
	struct mafs_memory_file *mem;
	struct mafs_map map;
	bool can = false;
	int fd;

	if (!d->memory->ops->kernel_serves ||
	    d->memory->ops->create(d->memory, "", 0, &map, &mem) < 0)
		return false;
	fd = d->memory->ops->backing_fd(d->memory, &map);
	if (fd >= 0) {
		can = can_back(d, fd);
		close(fd);
	}
	d->memory->ops->close(mem);
	d->memory->ops->remove(d->memory, &map);
	mafs_map_done(&map);
	return can;
}

void mafsd_connect(struct mafsd *d, const struct mafsd_kernel_ops *kernel,
		   void *context)
{
	d->kernel = kernel;
	d->kernel_context = context;
	if (d->shared.on)
		mafsd_shared_watch(d);
	if (!d->cloned)
		return;
	d->pass_n = n_can_back(d);
	d->pass_m = d->pass_n && memory_can_back(d);
}

void mafsd_disconnect(struct mafsd *d)
{
	d->kernel = NULL;
}

/* ---- run and stop ---- */

int mafsd_run(struct mafsd *d, struct mafs_fault *fault)
{
	int r;

	d->volume->session.pid = getpid();
	d->volume->session.open = true;
	r = mafsd_pending_note(d);
	if (r < 0)
		return mafs_fault_set(fault, r, "%s/" MAFS_VOLUME_DIR ": %s",
				      d->options.source, strerror(-r));
	r = mafs_volume_session_store(d->volume, fault);
	if (r < 0)
		return r;
	r = mafsd_room_start(d);
	if (r == 0)
		r = mafsd_pool_start(&d->fs.pool);
	if (r == 0)
		r = mafsd_write_back_start(d);
	if (r == 0)
		r = mafsd_recover_start(d);
	if (r == 0)
		r = mafsd_pending_start(d);
	if (r == 0)
		r = mafsd_pressure_start(d);
	if (r == 0)
		r = mafsd_promote_start(d);
	if (r < 0)
		mafs_fault_set(fault, r, "threads: %s", strerror(-r));
	return r;
}

static int write_all_back(struct mafsd *d, struct mafs_fault *fault)
{
	unsigned int attempt;
	int r = 0;

	for (attempt = 0; attempt < STOP_ATTEMPTS; attempt++) {
		r = mafsd_write_back_all(d);
		if (r == 0 && atomic_load(&d->n_dirty) == 0) {
			/* Also what programs wrote there themselves. An error
			 * is told once: a second try would not show it. */
			r = d->tier->flush_all(d->n_fd);
			if (r == 0)
				return 0;
			return mafs_fault_set(fault, r,
					      "%s: the last flush failed: %s; "
					      "what programs wrote there "
					      "themselves may be lost",
					      d->options.source, strerror(-r));
		}
	}
	if (r == 0)
		r = -EBUSY;
	return mafs_fault_set(fault, r,
			      "%llu files could not be written back to %s: "
			      "%s; their bytes are kept in memory: make room "
			      "there and run mafs mount or mafs umount again",
			      (unsigned long long)atomic_load(&d->n_dirty),
			      d->options.source, strerror(-r));
}

int mafsd_stop(struct mafsd *d, struct mafs_fault *fault)
{
	int r, recovered;

	mafsd_shared_stop(d);
	mafsd_promote_stop(d);
	mafsd_pressure_stop(d);
	mafsd_pending_stop(d);
	mafsd_recover_stop(d);
	recovered = mafsd_recover_all(d);
	if (recovered == 0)
		mafsd_replaced_forget_left(d);
	r = write_all_back(d, fault);
	mafsd_write_back_stop(d);
	if (d->fs.pool)
		mafsd_pool_stop(take_ptr(d->fs.pool));
	mafsd_room_stop(d);
	if (r == 0 && recovered < 0)
		r = mafs_fault_set(fault, recovered,
				   "some files left in memory could not be "
				   "brought back: %s",
				   strerror(-recovered));
	if (r == 0 && mafsd_journal_n_newer(d) > 0)
		r = mafs_fault_set(fault, -EBUSY,
				   "memory still has bytes that %s has not",
				   d->options.source);
	if (r < 0)
		return r;
	mafsd_journal_close(d);
	mafsd_replaced_end(d);
	mafsd_pin_forget_left(d);
	d->volume->session.open = false;
	r = mafs_volume_session_store(d->volume, fault);
	if (r < 0)
		return r;
	mafsd_table_done(d); /* closes what is open in memory */
	d->memory->ops->free(take_ptr(d->memory));
	return mafs_memory_destroy(d->volume->memory_path, fault);
}

void mafsd_free(struct mafsd *d)
{
	if (!d)
		return;
	mafsd_shared_stop(d);
	mafsd_promote_stop(d);
	mafsd_pressure_stop(d);
	mafsd_write_back_stop(d);
	mafsd_pending_stop(d);
	mafsd_recover_stop(d);
	if (d->fs.pool)
		mafsd_pool_stop(take_ptr(d->fs.pool));
	mafsd_room_stop(d);
	mafsd_table_done(d);
	mafsd_replaced_done(take_ptr(d->replaced_left));
	mafsd_slots_done(&d->slots);
	mafsd_journal_close(d);
	free(d->wb_spare);
	if (d->memory)
		d->memory->ops->free(d->memory);
	d->policy_ops->free(d->policy);
	mafs_closep(&d->replaced_fd);
	mafs_closep(&d->unlinked_fd);
	mafs_closep(&d->n_fd);
	if (d->volume)
		mafs_volume_close(d->volume);
	free(d);
}
