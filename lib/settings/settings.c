// SPDX-License-Identifier: Apache-2.0
/*
 * The table of settings, and values as people write them. Called for mount
 * options, volume.yaml and what is set live; whoever gives a value may be
 * anybody.
 */
#include <errno.h>
#include <inttypes.h>
#include <mafs/cleanup.h>
#include <mafs/settings.h>
#include <mafs/size.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE true
#define MOUNT false

const struct mafs_setting mafs_settings_table[MAFS_N_SETTINGS] = {
#define X(name_, type_, min_, max_, value_, when_, form_, help_) \
	[MAFS_SETTING_##name_] = {                               \
		.name = #name_,                                  \
		.form = form_,                                   \
		.help = help_,                                   \
		.type = MAFS_##type_,                            \
		.offset = offsetof(struct mafs_settings, name_), \
		.min = min_,                                     \
		.max = max_,                                     \
		.value = value_,                                 \
		.live = when_,                                   \
	},
	MAFS_SETTINGS(X)
#undef X
};

static const struct {
	const char *suffix;
	uint64_t ms;
} units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 },     { "ms", 1 },      { "", 1000 },
};

static uint64_t *value_in(const struct mafs_setting *setting,
			  struct mafs_settings *settings)
{
	return (uint64_t *)(void *)((char *)settings + setting->offset);
}

uint64_t mafs_setting_get(const struct mafs_setting *setting,
			  const struct mafs_settings *settings)
{
	return *value_in(setting, (struct mafs_settings *)settings);
}

void mafs_settings_default(struct mafs_settings *ret)
{
	for (size_t i = 0; i < MAFS_N_SETTINGS; i++)
		*value_in(&mafs_settings_table[i], ret) =
			mafs_settings_table[i].value;
	ret->given = 0;
}

const struct mafs_setting *mafs_setting_find(const char *name)
{
	for (size_t i = 0; i < MAFS_N_SETTINGS; i++)
		if (!strcmp(mafs_settings_table[i].name, name))
			return &mafs_settings_table[i];
	return NULL;
}

/* ---- reading ---- */

static int parse_duration(const char *text, uint64_t *ret)
{
	size_t len = strspn(text, "0123456789.");
	char *end;
	double number = strtod(text, &end);

	if (len == 0 || end != text + len || number > 1e9)
		return -EINVAL;
	for (size_t i = 0; i < MAFS_ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].suffix)) {
			*ret = (uint64_t)(number * (double)units[i].ms + 0.5);
			return 0;
		}
	return -EINVAL;
}

static int parse_share(const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	uint64_t value;
	int r;

	if (len > 0 && text[len - 1] == '%') {
		r = mafs_size_parse(text, 10000, &value);
		value |= MAFS_SHARE_OF_MEMORY;
	} else {
		r = mafs_size_parse(text, 0, &value);
		if (r == 0 && value & MAFS_SHARE_OF_MEMORY)
			r = -ERANGE;
	}
	if (r == 0)
		*ret = value;
	return r;
}

static int parse_percent(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || (*end && strcmp(end, "%") != 0))
		return -EINVAL;
	*ret = value;
	return 0;
}

/* Which of the words in "a|b"? A word in capitals stands for a value. */
static int parse_word(const char *form, const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	uint64_t i = 0;

	for (;; i++) {
		size_t word_len = strcspn(form, "|");

		if (word_len == len && !strncmp(form, text, len) &&
		    *form >= 'a') {
			*ret = i;
			return 0;
		}
		if (!form[word_len])
			return -EINVAL;
		form += word_len + 1;
	}
}

static int parse_value(const struct mafs_setting *setting, const char *text,
		       uint64_t *ret)
{
	if (parse_word(setting->form, text, ret) == 0)
		return 0;
	switch (setting->type) {
	case MAFS_DURATION:
		return parse_duration(text, ret);
	case MAFS_SHARE:
		return parse_share(text, ret);
	case MAFS_PERCENT:
		return parse_percent(text, ret);
	default:
		return -EINVAL;
	}
}

static const char *what_to_give(const struct mafs_setting *setting)
{
	switch (setting->type) {
	case MAFS_DURATION:
		return "seconds, or a time as 500ms, 90s, 10m, 1h, up to 7d";
	case MAFS_SHARE:
		return "a size as 512M, or a share of memory as 60%";
	case MAFS_PERCENT:
		return "a percentage of memory";
	default:
		return "one of these words";
	}
}

int mafs_setting_parse(const struct mafs_setting *setting, const char *text,
		       uint64_t *ret, struct mafs_fault *fault)
{
	uint64_t value = 0;

	if (parse_value(setting, text, &value) == 0 &&
	    ((value >= setting->min && value <= setting->max) ||
	     (setting->type == MAFS_SHARE && value &&
	      !(value & MAFS_SHARE_OF_MEMORY)))) {
		*ret = value;
		return 0;
	}
	return mafs_fault_set(fault, -EINVAL, "%s=%s: give %s (%s)",
			      setting->name, text, what_to_give(setting),
			      setting->form);
}

/* ---- writing ---- */

static void duration_to_text(uint64_t ms, char *ret)
{
	size_t i = 0;

	while (ms % units[i].ms)
		i++;
	(void)snprintf(ret, MAFS_SETTING_TEXT_LEN, "%" PRIu64 "%s",
		       ms / units[i].ms, units[i].suffix);
}

/* Exactly, unlike mafs_size_to_text(). */
static void size_to_text(uint64_t bytes, char *ret)
{
	static const char *const units_of_1024[] = {
		"", "K", "M", "G", "T", "P"
	};
	size_t i = 0;

	for (; bytes && bytes % 1024 == 0 && i < 5; i++)
		bytes /= 1024;
	(void)snprintf(ret, MAFS_SETTING_TEXT_LEN, "%" PRIu64 "%s", bytes,
		       units_of_1024[i]);
}

static void share_to_text(uint64_t share, char *ret)
{
	uint64_t part = share & ~MAFS_SHARE_OF_MEMORY;

	if (!(share & MAFS_SHARE_OF_MEMORY))
		size_to_text(share, ret);
	else if (part % 100)
		(void)snprintf(ret, MAFS_SETTING_TEXT_LEN,
			       "%" PRIu64 ".%02" PRIu64 "%%", part / 100,
			       part % 100);
	else
		(void)snprintf(ret, MAFS_SETTING_TEXT_LEN, "%" PRIu64 "%%",
			       part / 100);
}

/* Return: false: no word stands for @value. */
static bool word_to_text(const struct mafs_setting *setting, uint64_t value,
			 char *ret)
{
	const char *word = setting->form;

	for (; value > 0 && strchr(word, '|'); value--)
		word = strchr(word, '|') + 1;
	if (value > 0 || *word < 'a')
		return false;
	(void)snprintf(ret, MAFS_SETTING_TEXT_LEN, "%.*s",
		       (int)strcspn(word, "|"), word);
	return true;
}

void mafs_setting_to_text(const struct mafs_setting *setting, uint64_t value,
			  char ret[static MAFS_SETTING_TEXT_LEN])
{
	if ((value == 0 || setting->type == MAFS_WORD) &&
	    word_to_text(setting, value, ret))
		return;
	switch (setting->type) {
	case MAFS_DURATION:
		if (value == 0)
			strcpy(ret, "0s");
		else
			duration_to_text(value, ret);
		break;
	case MAFS_SHARE:
		share_to_text(value, ret);
		break;
	default:
		(void)snprintf(ret, MAFS_SETTING_TEXT_LEN, "%" PRIu64 "%%",
			       value);
	}
}

/* ---- all of them ---- */

static void put(struct mafs_settings *settings,
		const struct mafs_setting *setting, uint64_t value)
{
	*value_in(setting, settings) = value;
	settings->given |= UINT64_C(1) << (setting - mafs_settings_table);
}

int mafs_settings_set(struct mafs_settings *settings, const char *name,
		      const char *text, struct mafs_fault *fault)
{
	const struct mafs_setting *setting = mafs_setting_find(name);
	uint64_t value;
	int r;

	if (!setting)
		return mafs_fault_set(fault, -ENOENT,
				      "there is no setting %s; see mafs mount "
				      "--help",
				      name);
	r = mafs_setting_parse(setting, text, &value, fault);
	if (r == 0)
		put(settings, setting, value);
	return r;
}

int mafs_settings_take(struct mafs_settings *settings, const char *word,
		       struct mafs_fault *fault)
{
	size_t len = strcspn(word, "=");
	char name[32];
	int r;

	if (!word[len] || len >= sizeof(name))
		return 0;
	memcpy(name, word, len);
	name[len] = '\0';
	if (!mafs_setting_find(name))
		return 0;
	r = mafs_settings_set(settings, name, word + len + 1, fault);
	return r < 0 ? r : 1;
}

void mafs_settings_overlay(struct mafs_settings *settings,
			   const struct mafs_settings *from)
{
	for (size_t i = 0; i < MAFS_N_SETTINGS; i++)
		if (from->given & UINT64_C(1) << i)
			put(settings, &mafs_settings_table[i],
			    mafs_setting_get(&mafs_settings_table[i], from));
}

int mafs_settings_check(const struct mafs_settings *settings,
			struct mafs_fault *fault)
{
	if (settings->watermark_low >= settings->watermark_high)
		return mafs_fault_set(fault, -EINVAL,
				      "watermark_low=%" PRIu64
				      "%% must be below "
				      "watermark_high=%" PRIu64 "%%",
				      settings->watermark_low,
				      settings->watermark_high);
	return 0;
}

uint64_t mafs_share_of(uint64_t share, uint64_t whole)
{
	uint64_t part = share & ~MAFS_SHARE_OF_MEMORY;

	if (!(share & MAFS_SHARE_OF_MEMORY))
		return share < whole ? share : whole;
	return (uint64_t)((unsigned __int128)whole * part / 10000);
}
