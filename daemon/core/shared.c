/* SPDX-License-Identifier: Apache-2.0 */
/*
 * N is also changed past the mount (shared_dir). That nobody is shown old bytes
 * rests on comparisons, not on being told: a clean copy with N's fingerprint at
 * each open (hotfile.c), a dirty one before it goes down (conflict.c), and the
 * kernel keeps names and attributes for a second only.
 *
 * As root the kernel tells of changes, too, for all of N's file system
 * (fanotify(7)): attributes are forgotten at once, copies become stale, and the
 * bytes of files that were removed leave memory.
 *
 * Invariant: this thread asks the kernel for nothing that waits for a request
 * (names and pages would), since at the end nobody answers any. Names go with
 * their second; pages with the attributes, whose mtime the kernel compares.
 */
#include "names.h"
#include "replaced.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>

#define EVENTS                                                                 \
	(FAN_MODIFY | FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | \
	 FAN_MOVED_FROM | FAN_MOVED_TO | FAN_DELETE_SELF | FAN_ONDIR)
#define BUFFER_LEN 65536

/* ---- one file ---- */

/* Writers through the mount that the kernel lets by: these are told of, too.
 * What is shown of such a file is N's, and not kept. */
static bool is_written_past_us(const struct mafsd_file *file)
{
	return file && file->path == MAFSD_D && file->n_open;
}

/* Its last name was removed past the mount. Context: no locks held. */
static void was_removed(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_victim victim = { .inode = mafsd_inode_ref(d, inode) };

	pthread_mutex_lock(&inode->lock);
	victim.fd = mafsd_path_get(d, inode);
	pthread_mutex_unlock(&inode->lock);
	if (victim.fd < 0)
		mafsd_inode_unref(d, inode);
	else
		mafsd_victim_finish(d, &victim, true);
}

/* N's inode is no more, and no descriptor of ours kept it. */
static void is_gone(struct mafsd *d, struct mafsd_inode *inode)
{
	struct mafsd_replaced *awaited = NULL;

	pthread_mutex_lock(&inode->lock);
	if (!inode->file || !inode->file->n_open) {
		mafsd_inode_unhash(d, inode);
		if (inode->file) {
			awaited = take_ptr(inode->file->replaced);
			inode->file->maybe_mapped = false;
			mafsd_hot_drop(d, inode);
		}
		mafsd_file_put(d, inode);
	}
	pthread_mutex_unlock(&inode->lock);
	mafsd_replaced_release(d, awaited);
}

/* Context: inode->lock held. Return: is it other than what we left? */
static bool note_change(struct mafsd_inode *inode, const struct stat *st)
{
	struct mafsd_file *file = inode->file;
	struct mafs_fingerprint now;

	mafsd_priv_changed(inode);
	if (!file || file->state != MAFSD_CLEAN || file->wb_busy ||
	    file->stale || file->unverified)
		return true;
	mafs_fingerprint_of(st, &now);
	file->stale = !mafs_fingerprint_equal(&now, &file->fingerprint);
	return file->stale;
}

static void look_at(struct mafsd *d, struct mafsd_inode *inode, uint64_t mask)
{
	bool changed = true;
	struct stat st;
	int r = 0;

	if (S_ISREG(inode->type)) {
		pthread_mutex_lock(&inode->lock);
		if (is_written_past_us(inode->file)) {
			pthread_mutex_unlock(&inode->lock);
			return;
		}
		r = mafsd_stat_n(d, inode, &st);
		if (r == 0 && st.st_nlink > 0)
			changed = note_change(inode, &st);
		pthread_mutex_unlock(&inode->lock);
		if (r == 0 && st.st_nlink == 0)
			was_removed(d, inode);
		if (r == -ESTALE && mask & FAN_DELETE_SELF)
			is_gone(d, inode);
	}
	if (changed)
		d->kernel->inval_attr(d->kernel_context, inode->nodeid);
}

/* ---- events ---- */

/* @bytes, @len: the handle, and perhaps what comes after it. */
static void take_handle(struct mafsd *d, const char *bytes, size_t len,
			uint64_t mask)
{
	struct mafs_handle handle = { 0 };
	struct mafsd_inode *inode;
	struct file_handle from;

	memcpy(&from, bytes, sizeof(from));
	handle.type = from.handle_type;
	handle.length = from.handle_bytes;
	if (!handle.length || handle.length > sizeof(handle.bytes) ||
	    handle.length > len - sizeof(from))
		return;
	memcpy(handle.bytes, bytes + sizeof(from), handle.length);
	inode = mafsd_inode_find(d, &handle, 0);
	if (!inode)
		return;
	look_at(d, inode, mask);
	mafsd_inode_unref(d, inode);
}

/* Of a file the record names itself, of a name its directory. */
static void take_event(struct mafsd *d,
		       const struct fanotify_event_metadata *event,
		       const char *info, size_t len)
{
	struct fanotify_event_info_fid fid;

	/* What was lost shows at the next open, and within a second. */
	if (event->mask & FAN_Q_OVERFLOW || event->pid == getpid() ||
	    len < sizeof(fid) + sizeof(struct file_handle))
		return;
	memcpy(&fid, info, sizeof(fid));
	if (fid.hdr.info_type == FAN_EVENT_INFO_TYPE_FID)
		take_handle(d, info + sizeof(fid), len - sizeof(fid),
			    event->mask);
}

/* The kernel aligns no event but the first. */
static void take_events(struct mafsd *d, const char *at, ssize_t len)
{
	struct fanotify_event_metadata event;

	for (; len >= (ssize_t)sizeof(event);
	     at += event.event_len, len -= event.event_len) {
		memcpy(&event, at, sizeof(event));
		if (event.event_len < event.metadata_len ||
		    event.event_len < sizeof(event) ||
		    (ssize_t)event.event_len > len)
			return;
		take_event(d, &event, at + event.metadata_len,
			   event.event_len - event.metadata_len);
	}
}

static void *watch(void *argument)
{
	_cleanup_free_ char *buffer = malloc(BUFFER_LEN);
	struct mafsd *d = argument;
	struct pollfd fds[] = {
		{ .fd = d->shared.watch_fd, .events = POLLIN },
		{ .fd = d->shared.stop_fd, .events = POLLIN },
	};

	mafsd_thread_enter();
	while (buffer) {
		if (poll(fds, MAFS_ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		if (fds[0].revents & POLLIN)
			take_events(d, buffer,
				    read(d->shared.watch_fd, buffer,
					 BUFFER_LEN));
	}
	return NULL;
}

/* ---- life ---- */

static int start(struct mafsd *d, int watch_fd, int stop_fd)
{
	if (watch_fd < 0 || stop_fd < 0 ||
	    fanotify_mark(watch_fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, EVENTS,
			  d->n_fd, NULL) < 0)
		return -errno;
	d->shared.watch_fd = watch_fd;
	d->shared.stop_fd = stop_fd;
	return -pthread_create(&d->shared.thread, NULL, watch, d);
}

void mafsd_shared_watch(struct mafsd *d)
{
	_cleanup_close_ int stop_fd = eventfd(0, EFD_CLOEXEC);
	_cleanup_close_ int watch_fd = -1;
	int r = -EOPNOTSUPP;

	/* Without handles nobody could say whom an event is about. */
	if (d->handles) {
		watch_fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID |
						 FAN_CLOEXEC | FAN_NONBLOCK,
					 O_RDONLY | O_CLOEXEC);
		r = start(d, watch_fd, stop_fd);
	}
	if (r < 0) {
		mafs_warning("%s cannot be watched (%s): what is changed there "
			     "shows in the mount within a second",
			     d->options.source, strerror(-r));
		return;
	}
	(void)take_fd(watch_fd);
	(void)take_fd(stop_fd);
	d->shared.watched = true;
}

void mafsd_shared_stop(struct mafsd *d)
{
	struct mafsd_shared *shared = &d->shared;

	if (!shared->watched)
		return;
	(void)eventfd_write(shared->stop_fd, 1);
	pthread_join(shared->thread, NULL);
	close(shared->stop_fd);
	close(shared->watch_fd);
	shared->watched = false;
}
