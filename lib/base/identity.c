// SPDX-License-Identifier: Apache-2.0
/*
 * Compares who a file is. Bytes of a handle beyond its length never count.
 * Called by lib/platform, the hot table and the daemon.
 */
#include <mafs/identity.h>
#include <string.h>

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool mafs_handle_equal(const struct mafs_handle *a, const struct mafs_handle *b)
{
	return a->type == b->type && a->length == b->length &&
	       a->length <= MAFS_HANDLE_MAX &&
	       !memcmp(a->bytes, b->bytes, a->length);
}

/* With handles the inode number is only a hint; without them it counts. */
bool mafs_identity_equal(const struct mafs_identity *a,
			 const struct mafs_identity *b)
{
	return mafs_uuid_equal(&a->fs_id, &b->fs_id) &&
	       mafs_handle_equal(&a->handle, &b->handle) &&
	       (a->handle.length || a->ino == b->ino) &&
	       time_equal(&a->btime, &b->btime);
}

bool mafs_fingerprint_equal(const struct mafs_fingerprint *a,
			    const struct mafs_fingerprint *b)
{
	return a->size_bytes == b->size_bytes &&
	       time_equal(&a->mtime, &b->mtime) &&
	       time_equal(&a->ctime, &b->ctime);
}

bool mafs_fingerprint_same_bytes(const struct mafs_fingerprint *a,
				 const struct mafs_fingerprint *b)
{
	return a->size_bytes == b->size_bytes &&
	       time_equal(&a->mtime, &b->mtime);
}

/* FNV-1a, then a finisher, so that tables may take the low bits. */
static uint64_t hash_bytes(const uint8_t *bytes, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++) {
		hash ^= bytes[i];
		hash *= UINT64_C(0x100000001b3);
	}
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

uint64_t mafs_identity_hash(const struct mafs_identity *identity)
{
	const struct mafs_handle *handle = &identity->handle;

	if (handle->length && handle->length <= MAFS_HANDLE_MAX)
		return hash_bytes(handle->bytes, handle->length);
	return hash_bytes((const uint8_t *)&identity->ino,
			  sizeof(identity->ino));
}
