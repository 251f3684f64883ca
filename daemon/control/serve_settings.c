// SPDX-License-Identifier: Apache-2.0
/*
 * Settings of the volume, and policies of paths. Called through routes.c, from
 * any thread.
 */
#include "request.h"

#include <mafs/cleanup.h>
#include <mafs/settings.h>
#include <string.h>

static json_t *setting_to_json(const struct mafs_setting *setting,
			       const struct mafs_settings *settings)
{
	char value[MAFS_SETTING_TEXT_LEN], otherwise[MAFS_SETTING_TEXT_LEN];

	mafs_setting_to_text(setting, mafs_setting_get(setting, settings),
			     value);
	mafs_setting_to_text(setting, setting->value, otherwise);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "name",
			 setting->name, "value", value, "default", otherwise,
			 "form", setting->form, "live", setting->live, "help",
			 setting->help);
}

int mafsd_serve_settings(struct mafsd *d, const struct mafsd_request *request,
			 json_t **ret, struct mafs_fault *fault)
{
	json_t *array = json_array();
	struct mafs_settings now;
	int failed = 0;

	mafsd_settings_get(d, &now);
	for (size_t i = 0; i < MAFS_N_SETTINGS; i++)
		failed |= json_array_append_new(
			array, setting_to_json(&mafs_settings_table[i], &now));
	if (failed) {
		json_decref(array);
		return -ENOMEM;
	}
	return mafsd_or_no_memory(json_pack("{s:o}", "settings", array), ret);
}

static int set_volume(struct mafsd *d, const struct mafsd_request *request,
		      const char *name, const char *value, json_t **ret,
		      struct mafs_fault *fault)
{
	int r;

	if (request->who)
		return mafs_fault_set(fault, -EACCES,
				      "user %u may not: settings are for root "
				      "and who mounted the volume",
				      (unsigned int)request->who->uid);
	r = mafsd_set(d, name, value, fault);
	if (r < 0)
		return r;
	return mafsd_or_no_memory(json_pack("{s:s, s:s?, s:b}", "name", name,
					    "value", value, "live", r == 0),
				  ret);
}

static int policy_named(const char *value, enum mafsd_policy *ret,
			struct mafs_fault *fault)
{
	*ret = MAFSD_POLICY_INHERIT;
	if (!value || !strcmp(value, "inherit") ||
	    mafsd_policy_from_text(value, strlen(value), ret) == 0)
		return 0;
	return mafs_fault_set(fault, -EINVAL,
			      "no policy of files is named %.64s: give hot, "
			      "tiered, cold, pinned or inherit",
			      value);
}

int mafsd_serve_set(struct mafsd *d, const struct mafsd_request *request,
		    json_t **ret, struct mafs_fault *fault)
{
	const char *value = mafsd_request_text(request, "value");
	const char *name = mafsd_request_text(request, "name");
	enum mafsd_policy policy;
	int r;

	if (!name)
		return mafs_fault_set(fault, -EINVAL, "give name and value");
	if (!mafsd_request_text(request, "path"))
		return set_volume(d, request, name, value, ret, fault);
	if (strcmp(name, "policy") != 0)
		return mafs_fault_set(
			fault, -EINVAL,
			"a file or directory has a policy, not "
			"%.64s: without a path it is the volume's",
			name);
	r = policy_named(value, &policy, fault);
	return r < 0 ? r :
		       mafsd_serve_policy(d, policy, "set", request, ret,
					  fault);
}
