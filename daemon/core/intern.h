/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of daemon/core call in each other, by file. */
#pragma once

#include "ops.h"

/* ---- table.c: inodes by node id and by identity ---- */

int mafsd_table_init(struct mafsd *d);
void mafsd_table_done(struct mafsd *d);
/* Borrowed; NULL for a node id that is not known. */
struct mafsd_inode *mafsd_inode_by_id(struct mafsd *d, uint64_t nodeid);
/* The same with a reference, for who does not answer a request about it. */
struct mafsd_inode *mafsd_inode_ref_id(struct mafsd *d, uint64_t nodeid);
/* Finds or makes the inode of an open descriptor; takes one lookup (as the
 * kernel counts them) or, with @as_ref, one reference. */
int mafsd_inode_of(struct mafsd *d, int fd, const struct stat *st, bool as_ref,
		   struct mafsd_inode **ret);
/* Known already? Takes a reference. NULL: no. */
struct mafsd_inode *mafsd_inode_find(struct mafsd *d,
				     const struct mafs_handle *handle,
				     uint64_t ino);
struct mafsd_inode *mafsd_inode_ref(struct mafsd *d, struct mafsd_inode *inode);
void mafsd_inode_unref(struct mafsd *d, struct mafsd_inode *inode);
void mafsd_inode_forget(struct mafsd *d, struct mafsd_inode *inode, uint64_t n);
/* No name is left: the identity may come back as another file. */
void mafsd_inode_unhash(struct mafsd *d, struct mafsd_inode *inode);
void mafsd_inode_handle(const struct mafsd_inode *inode,
			struct mafs_handle *ret);
void mafsd_inode_identity(struct mafsd *d, const struct mafsd_inode *inode,
			  struct mafs_identity *ret);

/* ---- slots.c: bounded descriptors ---- */

void mafsd_slots_init(struct mafsd_slots *slots, size_t n_max);
void mafsd_slots_done(struct mafsd_slots *slots);
void mafsd_slot_init(struct mafsd_slot *slot);
/* true and pinned when it is open. */
bool mafsd_slot_pin(struct mafsd_slots *slots, struct mafsd_slot *slot);
/* Fills a slot and pins it; when another thread was first, its own stays and
 * the offered one is closed. */
void mafsd_slot_fill(struct mafsd_slots *slots, struct mafsd_slot *slot, int fd,
		     struct mafs_memory_file *mem);
void mafsd_slot_unpin(struct mafsd_slots *slots, struct mafsd_slot *slot);
/* Closes it. Return: false when it is pinned. */
bool mafsd_slot_close(struct mafsd_slots *slots, struct mafsd_slot *slot);

/* ---- names.c: where an inode is ---- */

/* O_PATH descriptor, pinned in inode->path_slot. Return: fd or -errno. */
int mafsd_path_get(struct mafsd *d, struct mafsd_inode *inode);
void mafsd_path_put(struct mafsd *d, struct mafsd_inode *inode);
/* Opens N's file anew (never O_PATH kept): the caller closes it. */
int mafsd_n_open(struct mafsd *d, struct mafsd_inode *inode, int flags);
/* The same for bytes whose writer was let in: a user's file may be read-only
 * by now, which stops the user's daemon but not root's. */
int mafsd_n_open_admitted(struct mafsd *d, struct mafsd_inode *inode,
			  int flags);
void mafsd_name_set(struct mafsd *d, struct mafsd_inode *inode,
		    struct mafsd_inode *parent, const char *name);
/* Forgets (parent, name) if it is still the one. */
void mafsd_name_unset(struct mafsd *d, struct mafsd_inode *inode,
		      struct mafsd_inode *parent, const char *name);
/* Path from the root; "?" in front when it is not known whole. */
void mafsd_path_to_text(struct mafsd *d, struct mafsd_inode *inode, char *ret,
			size_t len);
void mafsd_hint_of(struct mafsd *d, struct mafsd_inode *inode,
		   struct mafs_hint *ret);
bool mafsd_name_hidden(struct mafsd *d, const struct mafsd_inode *parent,
		       const char *name);
/* /proc/self/fd/FD, for calls that have no at() form. */
#define MAFSD_PROC_LEN 32
void mafsd_proc_path(int fd, char ret[static MAFSD_PROC_LEN]);
/* Walks a path below the root. Takes a reference. */
int mafsd_resolve(struct mafsd *d, const char *path, struct mafsd_inode **ret);

/* ---- access.c: for whom something is asked; NULL: who may all ---- */

/* mafsd_resolve() of what @who may reach and has @access (R_OK, ...) to.
 * The fault is set. */
int mafsd_resolve_as(struct mafsd *d, const struct mafs_who *who,
		     const char *path, int access, struct mafsd_inode **ret,
		     struct mafs_fault *fault);
/* The same of an inode that was reached already. Return: 0, -EACCES, ... */
int mafsd_admits(struct mafsd *d, const struct mafs_who *who,
		 struct mafsd_inode *inode, int access);

/* ---- pin.c: what keeps a file that has no name ---- */

/* Keeps N's file @fd is open on (O_PATH); @by_kernel: by a backing id if one
 * is to be had. Context: inode->lock held. Return: 0, -errno. */
int mafsd_pin_keep(struct mafsd *d, struct mafsd_inode *inode, int fd,
		   bool by_kernel);
/* Lets go. Context: the file is about to be freed, or nobody else has it. */
void mafsd_pin_done(struct mafsd *d, struct mafsd_inode *inode);
/* Kept by a descriptor or link, so that names and handles are not asked? */
bool mafsd_pin_has(const struct mafsd_file *file);
/* O_PATH, the caller closes it. Return: fd or -errno. */
int mafsd_pin_open(struct mafsd *d, const struct mafsd_file *file);
/* Opens N/.mafs/unlinked and removes what an earlier daemon left there. */
int mafsd_pin_begin(struct mafsd *d);
void mafsd_pin_forget_left(struct mafsd *d);

/* ---- attr.c ---- */

/* With the memory file's size and times where they count.
 * Context: inode->lock held. */
int mafsd_stat_locked(struct mafsd *d, struct mafsd_inode *inode,
		      struct stat *ret, bool *ret_volatile);
/* Of a file that may be written past us: the later of @shown and its mtime. */
struct timespec mafsd_later_ctime(struct timespec shown,
				  const struct stat *mem);
int mafsd_stat_n(struct mafsd *d, struct mafsd_inode *inode, struct stat *ret);
/* After an own change of N's inode (mode, owner, links, xattrs) that is not one
 * of its bytes: a clean copy stays valid. Context: inode->lock held. */
void mafsd_attr_touched(struct mafsd *d, struct mafsd_inode *inode);

static inline void mafsd_hide_own_links(const struct mafsd_inode *inode,
					struct stat *st)
{
	st->st_nlink -= __atomic_load_n(&inode->n_own_links, __ATOMIC_RELAXED);
}

/* ---- make.c ---- */

/* mknod of a regular file: one lookup, or -EEXIST. */
int mafsd_make_regular(struct mafsd *d, const struct mafsd_caller *caller,
		       uint64_t parent, const char *name, mode_t mode,
		       struct mafsd_entry *ret);

/* ---- priv.c ---- */

/* Strips setuid, setgid (with group execute) and security.capability from
 * N's file when @caller is a stranger. Context: inode->lock held. */
void mafsd_priv_strip(struct mafsd *d, struct mafsd_inode *inode,
		      const struct mafsd_caller *caller);
/* A mode or capability was set: look again. */
void mafsd_priv_changed(struct mafsd_inode *inode);

/* Any write to N takes security.capability away; write-back is no change of
 * the file's and puts it back. */
struct mafsd_capability {
	uint8_t bytes[64];
	size_t len; /* 0: none */
};

void mafsd_capability_save(int fd, struct mafsd_capability *ret);
void mafsd_capability_restore(int fd, const struct mafsd_capability *saved);
/* The setuid and setgid bits of @mode, as far as the daemon's user may. */
void mafsd_set_ids_restore(int fd, mode_t mode);

/* ---- journal.c ---- */

int mafsd_journal_open(struct mafsd *d, bool recover, struct mafs_fault *fault);
void mafsd_journal_close(struct mafsd *d);
uint64_t mafsd_journal_new_id(struct mafsd *d);
int mafsd_journal_append(struct mafsd *d, const struct mafs_entry *entry);
int mafsd_journal_id(struct mafsd *d, enum mafs_omf_type type, uint64_t id);
/* A checkpoint if one is due. Context: no locks. */
void mafsd_journal_tend(struct mafsd *d);
/* An entry of an earlier daemon with this identity: copied, claimed. Not one
 * that N, which is @now, has changed under: the recovery thread keeps it. */
bool mafsd_journal_claim(struct mafsd *d, const struct mafs_identity *identity,
			 const struct mafs_fingerprint *now,
			 struct mafs_hot *ret);
/* What was claimed has found no place: it is to be met again. */
void mafsd_journal_unclaim(struct mafsd *d, uint64_t id);
/* Has the log bytes for this inode? For a cold one: of an earlier daemon, not
 * kept beside it yet, and a `map` would supersede them. */
bool mafsd_journal_knows(struct mafsd *d, const struct mafsd_inode *inode);
/* Files whose wanted bytes are in memory alone, by the log. */
size_t mafsd_journal_n_newer(struct mafsd *d);

/* ---- hotfile.c: an inode's bytes in memory ---- */

/* inode->file, made when there is none. Context: inode->lock held. */
struct mafsd_file *mafsd_file_get(struct mafsd_inode *inode);
/* Frees inode->file when nothing needs it. Context: inode->lock held. */
void mafsd_file_put(struct mafsd *d, struct mafsd_inode *inode);
/* Keeps inode->file beside opens; NULL when there is none and not @make.
 * Context: no locks held. */
struct mafsd_file *mafsd_file_pin(struct mafsd *d, struct mafsd_inode *inode,
				  bool make);
void mafsd_file_unpin(struct mafsd *d, struct mafsd_inode *inode);
/* Takes over what an earlier daemon left for a new inode. */
int mafsd_hot_adopt(struct mafsd *d, struct mafsd_inode *inode,
		    const struct stat *st);
/* The memory file, pinned. Context: file stays (open, hot or locked). */
int mafsd_mem_get(struct mafsd *d, struct mafsd_file *file,
		  struct mafs_memory_file **ret);
void mafsd_mem_put(struct mafsd *d, struct mafsd_file *file);
/* An empty memory file that supersedes N's content; logged dirty. @st: N's.
 * Context: inode->lock held. */
int mafsd_hot_make(struct mafsd *d, struct mafsd_inode *inode,
		   const struct stat *st);
/* Logged dirty before the first byte changes. Context: inode->lock held. */
int mafsd_hot_dirty(struct mafsd *d, struct mafsd_inode *inode);
/* Logged `writing` before N's file changes: memory wins after a crash.
 * Context: inode->lock held, dirty. */
int mafsd_hot_writing(struct mafsd *d, struct mafsd_file *file);
/* The `map` entry as it stands now. Context: inode->lock held. */
int mafsd_hot_log_map(struct mafsd *d, struct mafsd_inode *inode,
		      uint32_t flags);
/* Logs `drop`, then frees the memory; at the end of a running write-back if
 * there is one. Context: inode->lock held, @inode referenced. */
int mafsd_hot_drop(struct mafsd *d, struct mafsd_inode *inode);
/* Is the clean copy still N's content? Drops it when not; what an earlier
 * daemon left is looked at. Context: inode->lock held, closed. */
int mafsd_hot_verify(struct mafsd *d, struct mafsd_inode *inode);
/* Takes a lease, with @may_block asking again for some ms: right after a close
 * the answer is wrongly "in use". */
enum mafs_use mafsd_lease_wait(int fd, bool may_block);
/* Is the memory file in use by others? Context: inode->lock held. */
enum mafs_use mafsd_mem_use(struct mafsd *d, struct mafsd_file *file,
			    bool may_block);
/* Is N's file in use by others? Context: inode->lock held. */
enum mafs_use mafsd_n_use(struct mafsd *d, struct mafsd_inode *inode,
			  bool may_block);
static inline bool mafsd_is_dirty(const struct mafsd_file *file)
{
	return file->state >= MAFSD_DIRTY;
}
static inline bool mafsd_in_memory(const struct mafsd_file *file)
{
	return file->state != MAFSD_COLD;
}

/* ---- pending.c: whose bytes were never down; inode->lock held ---- */

void mafsd_pending_set(struct mafsd *d, struct mafsd_inode *inode);
const char *mafsd_pending_xattr(const struct mafsd *d);

/* ---- pending_scan.c ---- */

/* Looks for them, when the last session's memory is lost. */
/* Leaves word that memory was lost. Context: before the session is stored,
 * which forgets it. */
int mafsd_pending_note(struct mafsd *d);
int mafsd_pending_start(struct mafsd *d);
void mafsd_pending_stop(struct mafsd *d);

/* ---- dirty.c: which bytes are dirty; under inode->lock ---- */

void mafsd_dirty_add(struct mafsd *d, struct mafsd_file *file, uint64_t start,
		     uint64_t end);
/* Nothing beyond @size is any more. */
void mafsd_dirty_cut(struct mafsd *d, struct mafsd_file *file, uint64_t size);
void mafsd_dirty_take(struct mafsd *d, struct mafsd_file *file,
		      struct mafs_ranges *ret);
void mafsd_dirty_give_back(struct mafsd *d, struct mafsd_file *file,
			   const struct mafs_ranges *ranges);
void mafsd_dirty_clear(struct mafsd *d, struct mafsd_file *file);
/* Without a name its bytes go with its last close, never down but by a spill:
 * nobody waits for them. */
void mafsd_dirty_named(struct mafsd *d, struct mafsd_file *file, bool named);
/* What the file is on N now, against which room is reckoned. */
void mafsd_dirty_on_n(struct mafsd *d, struct mafsd_file *file,
		      const struct stat *n);
/* Bytes that [start, end) would add, and those of them behind n_size. */
void mafsd_dirty_adds(const struct mafsd_file *file, uint64_t start,
		      uint64_t end, uint64_t *ret_bytes, uint64_t *ret_above);

/* ---- queue.c: which file is next ---- */

/* A file without a name is in no queue. */
void mafsd_queue_dirty(struct mafsd *d, struct mafsd_file *file,
		       int64_t due_ms);
/* None waits longer than until then, but for the patient. */
void mafsd_queue_hasten(struct mafsd *d, int64_t due_ms);
static inline int64_t mafsd_due_ms(const struct mafsd_file *file)
{
	return __atomic_load_n(&file->due_ms, __ATOMIC_RELAXED);
}
/* The same; waits for its time also when write-back is urgent. */
void mafsd_queue_patient(struct mafsd *d, struct mafsd_file *file,
			 int64_t due_ms);
/* Clean: the policy has it, until it is dirty, removed or evicted; or nobody,
 * while it is pinned. Asked again: where it is now. Context: inode->lock
 * held. */
void mafsd_queue_clean(struct mafsd *d, struct mafsd_file *file);
void mafsd_queue_remove(struct mafsd *d, struct mafsd_file *file);
/* What the policy hears of: an open of a hot file; a removed file's eviction. */
void mafsd_queue_used(struct mafsd *d, struct mafsd_file *file);
void mafsd_queue_evicted(struct mafsd *d, struct mafsd_file *file);
/* Oldest first, with an inode reference each; at most @n_max.
 * @urgent: also what is not due, but for the patient. */
size_t mafsd_queue_take_due(struct mafsd *d, bool urgent,
			    struct mafsd_inode **ret, size_t n_max,
			    int64_t *ret_next_due_ms);
/* The number of a sync: it takes each file once that is dirty by now. One sync
 * at a time. */
uint64_t mafsd_queue_begin_sync(struct mafsd *d);
/* @ret_in_hand: others have taken some of those and are still at it. */
size_t mafsd_queue_take_for_sync(struct mafsd *d, uint64_t sync,
				 struct mafsd_inode **ret, size_t n_max,
				 bool *ret_in_hand);
/* Clean files that may be victims. */
size_t mafsd_queue_n_clean(struct mafsd *d);
/* A directory moved: its files may be pinned no more. */
void mafsd_queue_unpin_all(struct mafsd *d);
/* Bytes that are pinned, of one file or (NULL) in all. */
uint64_t mafsd_queue_pinned(struct mafsd *d, const struct mafsd_file *file);
/* The next to be evicted, referenced, or NULL. It stays, behind the others. */
struct mafsd_inode *mafsd_queue_victim(struct mafsd *d);
/* Is it open to writers that go past us? */
void mafsd_queue_raw(struct mafsd *d, struct mafsd_file *file, bool on);
/* Those of them whose turn it is, with a reference each. */
size_t mafsd_queue_take_raw(struct mafsd *d, struct mafsd_inode **ret,
			    size_t n_max);
void mafsd_account_dirty(struct mafsd *d, struct mafsd_file *file,
			 uint64_t before, uint64_t after);

/* ---- room.c: what N has room for ---- */

/* Brings d->space up to date; when N does not answer, it stays as it was.
 * Before start and after stop it asks in the caller's thread.
 * Context: space.lock held, let go while it waits. Return: 0, -errno. */
int mafsd_room_look(struct mafsd *d);
int mafsd_room_start(struct mafsd *d);
void mafsd_room_stop(struct mafsd *d);

/* ---- space.c: reservation on N, room in memory ---- */

static inline uint64_t mafsd_in_blocks(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

/* Context: inode->lock held. Return: 0, -ENOSPC. */
int mafsd_space_reserve(struct mafsd *d, struct mafsd_file *file,
			uint64_t start, uint64_t end, bool fresh);
/* Recounts a file's reservation from its dirty ranges.
 * Context: inode->lock held. */
void mafsd_space_settle(struct mafsd *d, struct mafsd_file *file);
/* Evicts until about @bytes are free. Blocks; no locks held.
 * Return: 0: something was freed; -ENOSPC: nothing could be. */
int mafsd_space_make_room(struct mafsd *d, uint64_t bytes);

/* ---- usage.c: what is seen of the use of files ---- */

/* @open is admitted. Context: inode->lock held. */
void mafsd_usage_opened(struct mafsd *d, const struct mafsd_open *open,
			bool to_read);
/* Before it is forgotten by which way. Context: inode->lock held. */
void mafsd_usage_closed(struct mafsd *d, const struct mafsd_open *open);
/* Context: while it is open. */
void mafsd_usage_read(struct mafsd *d, const struct mafsd_open *open,
		      uint64_t bytes);
void mafsd_usage_written(struct mafsd *d, const struct mafsd_open *open,
			 uint64_t bytes);
/* The most opened first. Return: how many. */
size_t mafsd_usage_most(struct mafsd *d, struct mafsd_often *ret, size_t n_max);

/* ---- writeback.c ---- */

/**
 * mafsd_write_back() - make one file clean
 * @durable: flush it, and log `clean` when nothing came in between
 *
 * Blocks; no locks held. Return: 0 (also: was clean, or changed meanwhile),
 * -errno.
 */
int mafsd_write_back(struct mafsd *d, struct mafsd_inode *inode, bool durable);
/* Durable as fdatasync(2) has it: N's times may be lost with the power. */
int mafsd_write_back_data(struct mafsd *d, struct mafsd_inode *inode);
/* Many, with one flush of the file system where that is cheaper.
 * @wait: also for what another thread is writing back just now.
 * Return: the first error. */
int mafsd_write_back_batch(struct mafsd *d, struct mafsd_inode **inodes,
			   size_t n, bool wait);
/* Copies what is dirty down under @file->io held exclusively, flushed only
 * where N is cut. For spill. */
int mafsd_copy_down(struct mafsd *d, struct mafsd_inode *inode);
int mafsd_write_back_start(struct mafsd *d);
void mafsd_write_back_stop(struct mafsd *d);
/* Urgent: also what is not due. */
void mafsd_write_back_kick(struct mafsd *d);
/* Something may be due earlier than the thread expects. */
void mafsd_write_back_look(struct mafsd *d);
/* All that is dirty now, each file once. Blocks; no locks held.
 * Return: the first error. */
int mafsd_write_back_all(struct mafsd *d);

/* ---- io.c ---- */

/* Memory is full: go on at N. Blocks; no locks held. */
int mafsd_spill(struct mafsd *d, struct mafsd_inode *inode);
/* Changes the size wherever the bytes are. Context: file->io held
 * exclusively and inode->lock held. */
int mafsd_resize_locked(struct mafsd *d, struct mafsd_inode *inode,
			uint64_t size);
/* N's descriptor for copies, pinned. */
int mafsd_n_get(struct mafsd *d, struct mafsd_file *file);
void mafsd_n_put(struct mafsd *d, struct mafsd_file *file);
/* Acts as the owner of N's file, so that its reserve and quota count. */
void mafsd_act_as_owner(struct mafsd *d, const struct stat *st);

/* ---- recover.c ---- */

/* A hint's directory, proven to lie beneath N; the caller closes it. */
int mafsd_hinted_directory(struct mafsd *d, const struct mafs_hint *hint);
/* N/.mafs/lost+found, made when it is missing; the caller closes it. */
int mafsd_lost_found(struct mafsd *d);
/* NAME.mafs-conflict-SEQ, the name shortened where it would not fit. */
void mafsd_conflict_name(const char *name, uint64_t seq,
			 char ret[static MAFS_NAME_MAX + 1]);
/* Creates the first free such name. @exact: NAME itself is tried first.
 * Return: descriptor, -errno. */
int mafsd_home_create(int dirfd, const char *name, bool exact,
		      char ret[static MAFS_NAME_MAX + 1]);
/* The hint's directory; else lost+found. */
int mafsd_home_directory(struct mafsd *d, const struct mafs_hint *hint,
			 bool *ret_lost);
/* Frees clean copies of an earlier daemon that nobody has met.
 * Return: how many. */
size_t mafsd_recover_drop_unmet(struct mafsd *d);

int mafsd_recover_start(struct mafsd *d);
void mafsd_recover_stop(struct mafsd *d);
/* Everything left by an earlier daemon has been met. Blocks. */
int mafsd_recover_all(struct mafsd *d);

#include "tiering.h"
