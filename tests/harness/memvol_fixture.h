/* SPDX-License-Identifier: Apache-2.0 */
/* Memory volumes on files below a test's place. */
#pragma once

#include "place.h"

#include <mafs/memory_volume.h>

#define T_MIB (1ULL << 20)

/* Formats file @name of 8 MiB in units of 4 KiB. @fs_uuid: NULL: a new one.
 * Return: its spec, owned. */
char *t_memvol_format(const char *place, const char *name,
		      const struct mafs_uuid *fs_uuid, bool secondary);
/* Likewise of another size. */
char *t_memvol_format_size(const char *place, const char *name,
			   const struct mafs_uuid *fs_uuid, bool secondary,
			   uint64_t size_bytes);
/* Fails the test when it cannot. */
struct mafs_memory_volume *t_memvol_open(const char *spec, bool client);

void t_memvol_append(struct mafs_memory_volume *volume,
		     const struct mafs_entry *entries, size_t n_entries);
/* A directory, a file of @n_bytes (allocated, not written), a name more. */
void t_memvol_mkdir(struct mafs_memory_volume *volume, uint64_t parent,
		    const char *name, uint64_t id);
void t_memvol_create(struct mafs_memory_volume *volume, uint64_t parent,
		     const char *name, uint64_t id, uint64_t n_bytes);
void t_memvol_unlink(struct mafs_memory_volume *volume, uint64_t parent,
		     const char *name, uint64_t id);
struct mafs_entry t_name_entry(enum mafs_omf_type type, uint64_t parent,
			       const char *name, uint64_t id);
/* For mafs_log_checkpoint(); @context: the volume. */
int t_memvol_give_live(void *context, mafs_log_emit_fn *emit,
		       void *emit_context);
