// SPDX-License-Identifier: Apache-2.0
/* A directory N to make a volume of, and a runtime directory apart. */
#pragma once

#include <mafs/cleanup.h>
#include <mafs/volume.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "place.h"

struct fixture {
	char place[T_PLACE_LEN];
	char n[2 * T_PLACE_LEN]; /* place/n */
	char mnt[2 * T_PLACE_LEN]; /* place/mnt */
	struct mafs_volume *volume;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	t_place_make("volume", f->place);
	snprintf(f->n, sizeof(f->n), "%s/n", f->place);
	snprintf(f->mnt, sizeof(f->mnt), "%s/mnt", f->place);
	mkdir(f->n, 0755);
	mkdir(f->mnt, 0755);
	setenv("XDG_RUNTIME_DIR", f->place, 1);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	mafs_volume_close(f->volume);
	t_place_remove(f->place);
	free(f);
	return 0;
}

static inline struct mafs_volume *open_at(const struct fixture *f,
					  const char *n)
{
	struct mafs_fault fault = MAFS_FAULT_INIT;
	struct mafs_volume *volume;

	if (mafs_volume_open(n, f->mnt, false, &volume, &fault) < 0)
		fail_msg("%s", fault.what);
	return volume;
}

/* Opens N and stores the session, as a daemon does. */
static inline void begin(struct fixture *f)
{
	f->volume = open_at(f, f->n);
	assert_int_equal(mafs_volume_session_store(f->volume, NULL), 0);
}

/* As a daemon that was killed: nothing is stored. */
static inline void crash(struct fixture *f)
{
	mafs_volume_close(f->volume);
	f->volume = NULL;
}

static inline void end(struct fixture *f)
{
	f->volume->session.open = false;
	assert_int_equal(mafs_volume_session_store(f->volume, NULL), 0);
	crash(f);
}

static inline int try_open(const struct fixture *f, const char *n,
			   bool read_only, struct mafs_fault *fault)
{
	struct mafs_volume *volume = NULL;
	int r = mafs_volume_open(n, f->mnt, read_only, &volume, fault);

	mafs_volume_close(volume);
	return r;
}

static inline void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* N with all that is in it, .mafs too, as rsync -a does it. */
static inline void copy_n(const struct fixture *f, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp -a %s %s", f->n, to);
	run(command);
}

static inline bool exists(const char *place, const char *name)
{
	return access(t_path(place, name), F_OK) == 0;
}
