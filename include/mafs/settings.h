/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be set for a volume (lib/settings): one table for mount options,
 * N/.mafs/volume.yaml, what is set live, help and man pages.
 */
#pragma once

#include <mafs/fault.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * X(name, type, min, max, default, when, form, help)
 *
 * A word in front of a | in @form stands for 0, for MAFS_WORD the first is 0,
 * the second 1. Times are in ms. @when: LIVE or MOUNT: from when on a change
 * counts.
 */
#define MAFS_SETTINGS(X)                                                    \
	X(writeback_after, DURATION, 0, MAFS_TIME_MAX, 5000, LIVE, "TIME",  \
	  "write back so long after the last close")                        \
	X(writeback_most, DURATION, 0, MAFS_TIME_MAX, 30000, LIVE, "TIME",  \
	  "and so long after a change, also while open; at least "          \
	  "writeback_after")                                                \
	X(writeback_at, SHARE, MAFS_SHARE_PERCENT(1), MAFS_SHARE_MAX,       \
	  MAFS_SHARE_PERCENT(25), LIVE, "SHARE",                            \
	  "write back at once when so much of memory is dirty")             \
	X(dirty_max, SHARE, 0, MAFS_SHARE_MAX, 0, LIVE, "auto|SHARE",       \
	  "never more dirty: writers wait, new files begin on disk; auto: " \
	  "writeback_at")                                                   \
	X(watermark_high, PERCENT, 1, 100, 90, LIVE, "PERCENT",             \
	  "clean files leave memory when it is so full")                    \
	X(watermark_low, PERCENT, 0, 100, 80, LIVE, "PERCENT",              \
	  "until it is so full")                                            \
	X(promote, DURATION, 0, MAFS_TIME_MAX, 60000, LIVE, "off|TIME",     \
	  "a file read twice within this comes to memory")                  \
	X(writes, WORD, 0, 1, 0, LIVE, "copy|passthrough",                  \
	  "how files in memory are written: by the daemon, or past it")     \
	X(policy, WORD, 0, 1, 0, MOUNT, "s3fifo|lru",                       \
	  "which clean files leave memory first")                           \
	X(shared_dir, WORD, 0, 1, 0, MOUNT, "off|on",                       \
	  "on: the directory is also changed past the mount")

#define MAFS_TIME_MAX (UINT64_C(7) * 24 * 3600 * 1000)
/* A share of memory: bytes, or hundredths of a percent with the top bit. */
#define MAFS_SHARE_OF_MEMORY (UINT64_C(1) << 63)
#define MAFS_SHARE_PERCENT(n) (MAFS_SHARE_OF_MEMORY | UINT64_C(n) * 100)
#define MAFS_SHARE_MAX MAFS_SHARE_PERCENT(100)

enum mafs_setting_id {
#define X(name, ...) MAFS_SETTING_##name,
	MAFS_SETTINGS(X)
#undef X
	MAFS_N_SETTINGS,
};

/**
 * struct mafs_settings - a value for each
 * @given: bit 1 << id: was set, not the default
 */
struct mafs_settings {
#define X(name, ...) uint64_t name;
	MAFS_SETTINGS(X)
#undef X
	uint64_t given;
};

/* Lines of --help, one setting each, as one string literal. */
#define MAFS_SETTING_HELP(name, type, min, max, value, when, form, help) \
	"      " #name "=" form "\n          " help "\n"
#define MAFS_SETTINGS_HELP MAFS_SETTINGS(MAFS_SETTING_HELP)

enum mafs_setting_type {
	MAFS_DURATION, /* "90", "1.5s", "10m", "1h", "1d" */
	MAFS_SHARE, /* "512M", "60%" */
	MAFS_PERCENT, /* "90", "90%" */
	MAFS_WORD,
};

struct mafs_setting {
	const char *name, *form, *help;
	enum mafs_setting_type type;
	size_t offset; /* in struct mafs_settings */
	uint64_t min, max, value; /* the default */
	bool live;
};

extern const struct mafs_setting mafs_settings_table[MAFS_N_SETTINGS];

void mafs_settings_default(struct mafs_settings *ret);
/* NULL: there is none. */
const struct mafs_setting *mafs_setting_find(const char *name);
uint64_t mafs_setting_get(const struct mafs_setting *setting,
			  const struct mafs_settings *settings);

/**
 * mafs_setting_parse() - read a value
 * @text: as people write it
 *
 * Return: 0, -EINVAL with the fault saying what to give.
 */
int mafs_setting_parse(const struct mafs_setting *setting, const char *text,
		       uint64_t *ret, struct mafs_fault *fault);

#define MAFS_SETTING_TEXT_LEN 32
/* The shortest that reads as the same. */
void mafs_setting_to_text(const struct mafs_setting *setting, uint64_t value,
			  char ret[static MAFS_SETTING_TEXT_LEN]);

/* Return: 0; -ENOENT: no such setting; -EINVAL. The fault says what to do. */
int mafs_settings_set(struct mafs_settings *settings, const char *name,
		      const char *text, struct mafs_fault *fault);
/* The same of "name=value". Return: 1: taken; 0: it is none of ours; -EINVAL. */
int mafs_settings_take(struct mafs_settings *settings, const char *word,
		       struct mafs_fault *fault);
/* What @from was given. */
void mafs_settings_overlay(struct mafs_settings *settings,
			   const struct mafs_settings *from);
/* Do they fit each other? Return: 0, -EINVAL with the fault saying which. */
int mafs_settings_check(const struct mafs_settings *settings,
			struct mafs_fault *fault);

/* Bytes that a SHARE means of @whole. */
uint64_t mafs_share_of(uint64_t share, uint64_t whole);
