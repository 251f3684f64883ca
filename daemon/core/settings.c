/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings: the defaults, over them those of volume.yaml, over them those that
 * the mount was given. Values are single words, read by anybody at any time
 * (mafsd_setting()); a change is checked, stored in volume.yaml, and counts
 * from then on.
 */
#include "intern.h"

#include <string.h>

/* ---- at start ---- */

struct reading {
	struct mafsd *d;
	struct mafs_fault *fault;
};

static int take_one(void *context, const char *name, const char *value)
{
	struct reading *reading = context;
	struct mafs_fault fault = MAFS_FAULT_INIT;
	const char *source = reading->d->options.source;
	int r;

	r = mafs_settings_set(&reading->d->settings, name, value, &fault);
	if (r == -ENOENT)
		mafs_warning("%s/" MAFS_VOLUME_DIR
			     "/volume.yaml has %s, which means nothing here",
			     source, name);
	else if (r < 0)
		return mafs_fault_set(reading->fault, -EUCLEAN,
				      "%s/" MAFS_VOLUME_DIR
				      "/volume.yaml: %s; mend the line or "
				      "remove it",
				      source, fault.what);
	return 0;
}

static const struct mafs_policy_ops *policy_of(const struct mafsd *d)
{
	const struct mafs_setting *setting =
		&mafs_settings_table[MAFS_SETTING_policy];
	char name[MAFS_SETTING_TEXT_LEN];

	mafs_setting_to_text(setting, d->settings.policy, name);
	return mafs_policy_find(name);
}

int mafsd_settings_load(struct mafsd *d, struct mafs_fault *fault)
{
	struct reading reading = { .d = d, .fault = fault };
	int r;

	mafs_settings_default(&d->settings);
	r = mafs_volume_settings(d->volume, take_one, &reading, fault);
	if (r < 0)
		return r;
	mafs_settings_overlay(&d->settings, &d->options.settings);
	d->policy_ops = policy_of(d);
	return mafs_settings_check(&d->settings, fault);
}

void mafsd_settings_apply(struct mafsd *d)
{
	uint64_t at = mafs_share_of(mafsd_setting(d, writeback_at),
				    d->memory_size_bytes);
	uint64_t most = mafs_share_of(mafsd_setting(d, dirty_max),
				      d->memory_size_bytes);

	if (!most)
		most = at;
	atomic_store(&d->dirty_max_bytes, most);
	/* Who waits at the one waits for what begins at the other. */
	atomic_store(&d->writeback_at_bytes, at < most ? at : most);
}

int64_t mafsd_due_closed(struct mafsd *d)
{
	return mafsd_now_ms() + (int64_t)mafsd_setting(d, writeback_after);
}

int64_t mafsd_due_changed(struct mafsd *d)
{
	uint64_t after = mafsd_setting(d, writeback_after);
	uint64_t most = mafsd_setting(d, writeback_most);

	return mafsd_now_ms() + (int64_t)(most > after ? most : after);
}

void mafsd_due_again(struct mafsd *d, struct mafsd_file *file)
{
	bool was = file->due_empty;

	file->due_empty = false;
	if (was && mafsd_is_dirty(file) && !file->wb_busy)
		mafsd_queue_dirty(d, file, mafsd_due_changed(d));
}

/* ---- live ---- */

void mafsd_settings_get(struct mafsd *d, struct mafs_settings *ret)
{
	mafs_guard(&d->settings_lock);

	*ret = d->settings;
}

static void publish(struct mafsd *d, const struct mafs_settings *settings)
{
#define X(name, ...) \
	__atomic_store_n(&d->settings.name, settings->name, __ATOMIC_RELAXED);
	MAFS_SETTINGS(X)
#undef X
	d->settings.given = settings->given;
	mafsd_settings_apply(d);
	/* What waits already, waits no longer than what comes now. */
	mafsd_queue_hasten(d, mafsd_due_changed(d));
	mafsd_write_back_look(d);
}

static int set_default(struct mafs_settings *settings, const char *name,
		       struct mafs_fault *fault)
{
	const struct mafs_setting *setting = mafs_setting_find(name);
	char text[MAFS_SETTING_TEXT_LEN];
	int r;

	if (setting)
		mafs_setting_to_text(setting, setting->value, text);
	r = mafs_settings_set(settings, name, setting ? text : "", fault);
	if (r == 0)
		settings->given &=
			~(UINT64_C(1) << (setting - mafs_settings_table));
	return r;
}

int mafsd_set(struct mafsd *d, const char *name, const char *value,
	      struct mafs_fault *fault)
{
	struct mafs_settings settings;
	int r;
	mafs_guard(&d->settings_lock);

	settings = d->settings;
	r = value ? mafs_settings_set(&settings, name, value, fault) :
		    set_default(&settings, name, fault);
	if (r == 0)
		r = mafs_settings_check(&settings, fault);
	if (r == 0)
		r = mafs_volume_setting_store(d->volume, name, value, fault);
	if (r < 0)
		return r;
	if (!mafs_setting_find(name)->live)
		return 1;
	publish(d, &settings);
	return 0;
}
