// SPDX-License-Identifier: Apache-2.0
/* Files in lines, for people. Called by ls and tree. */
#include "show.h"

#include "files.h"
#include "names.h"

#include <mafs/cleanup.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *mafs_show_size(const json_t *entry,
			   char ret[static MAFS_SIZE_TEXT_LEN])
{
	if (mafs_files_is(entry, "type", "file"))
		mafs_size_to_text(mafs_client_count(entry, "size_bytes"), ret);
	else
		strcpy(ret, "-");
	return ret;
}

const char *mafs_show_tier(const json_t *entry,
			   char ret[static MAFS_SHOW_TIER_LEN])
{
	const char *state = mafs_client_text(entry, "state");
	bool tiered = mafs_files_is(entry, "policy", "tiered");
	bool plain = !strcmp(state, "cold");

	ret[0] = '\0';
	if (!mafs_files_is(entry, "type", "file"))
		return ret;
	(void)snprintf(ret, MAFS_SHOW_TIER_LEN, "%s%s%s%s%s",
		       mafs_client_text(entry, "tier"), plain ? "" : " ",
		       plain ? "" : state, tiered ? "" : " ",
		       tiered ? "" : mafs_client_text(entry, "policy"));
	return ret;
}

static char type_letter(const json_t *entry)
{
	static const struct {
		const char *type;
		char letter;
	} letters[] = {
		{ "directory", 'd' }, { "symlink", 'l' }, { "fifo", 'p' },
		{ "socket", 's' },    { "device", 'c' },
	};

	for (size_t i = 0; i < MAFS_ARRAY_SIZE(letters); i++)
		if (mafs_files_is(entry, "type", letters[i].type))
			return letters[i].letter;
	return '-';
}

const char *mafs_show_mode(const json_t *entry,
			   char ret[static MAFS_SHOW_MODE_LEN])
{
	unsigned long mode = strtoul(mafs_client_text(entry, "mode"), NULL, 8);

	ret[0] = type_letter(entry);
	for (int i = 0; i < 9; i++)
		ret[1 + i] = mode & (0400UL >> i) ? "rwxrwxrwx"[i] : '-';
	if (mode & S_ISUID)
		ret[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		ret[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		ret[9] = mode & S_IXOTH ? 't' : 'T';
	ret[10] = '\0';
	return ret;
}

char *mafs_show_name(const json_t *entry)
{
	_cleanup_free_ char *name = mafs_files_name(entry);

	return name ? mafs_name_shown(name) : NULL;
}
