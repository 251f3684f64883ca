/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound cleanup: declare an owner with _cleanup_(), give it away with
 * take_ptr() or take_fd(). Every destructor accepts NULL, -1 or a half-built
 * object.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void mafs_freep(void *p)
{
	free(*(void **)p);
}

/* Closes and keeps errno, so that an error on its way out survives. */
static inline void mafs_closep(int *fd)
{
	if (*fd >= 0) {
		int saved_errno = errno;

		close(*fd);
		errno = saved_errno;
	}
	*fd = -1;
}

static inline void mafs_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
	*dir = NULL;
}

static inline void mafs_fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
	*file = NULL;
}

static inline void mafs_mutex_unlockp(pthread_mutex_t **lock)
{
	if (*lock)
		pthread_mutex_unlock(*lock);
}

#define _cleanup_free_ _cleanup_(mafs_freep)
#define _cleanup_close_ _cleanup_(mafs_closep)
#define _cleanup_closedir_ _cleanup_(mafs_closedirp)
#define _cleanup_fclose_ _cleanup_(mafs_fclosep)

/* Holds a mutex to the end of the scope. */
#define MAFS_CONCAT_(a, b) a##b
#define MAFS_CONCAT(a, b) MAFS_CONCAT_(a, b)
#define mafs_guard(lockp)                                     \
	_cleanup_(mafs_mutex_unlockp) __attribute__((unused)) \
	pthread_mutex_t *                                     \
	MAFS_CONCAT(guard_, __LINE__) = (pthread_mutex_lock(lockp), (lockp))

#define take_ptr(p)                           \
	({                                    \
		__auto_type taken_ptr_ = (p); \
		(p) = NULL;                   \
		taken_ptr_;                   \
	})

#define take_fd(fd)                   \
	({                            \
		int taken_fd_ = (fd); \
		(fd) = -1;            \
		taken_fd_;            \
	})

#define MAFS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define mafs_container_of(p, type, member) \
	((type *)((char *)(p)-offsetof(type, member)))
