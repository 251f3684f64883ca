// SPDX-License-Identifier: Apache-2.0
/*
 * The words of -o: those of mount(8) that mean something here, those that are
 * for others (mount(8) itself, fstab, systemd), and mafs's own. What the
 * daemon shall know is kept in order in request->options.
 */
#include "mount.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/settings.h>
#include <stdio.h>
#include <string.h>

/* Handed on as they are. */
static const char *const handed_on[] = {
	"dev",         "nodev",         "suid",     "nosuid",
	"exec",        "noexec",        "atime",    "noatime",
	"relatime",    "norelatime",    "diratime", "nodiratime",
	"strictatime", "nostrictatime", "lazytime", "nolazytime",
	"io_uring",    "no_io_uring",   "takeover", "shared",
};

/* For others, or how mafs is anyhow. */
static const char *const silent[] = {
	"defaults", "auto",   "noauto", "user",
	"nouser",   "users",  "owner",  "group",
	"_netdev",  "nofail", "async",  "default_permissions",
};

static const char known[] =
	"ro, rw, noatime, relatime, strictatime, nodiratime, lazytime, "
	"nodev, dev, nosuid, suid, noexec, exec, allow_other, allow_root, "
#define X(name, type, min, max, value, when, form, help) ", " #name "=" form
	"io_uring, no_io_uring, device=SPEC, role=auto|master|client, takeover, shared, memory=SPEC, pressure=FILE" MAFS_SETTINGS(
		X);
#undef X

static bool is_one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, list[i]))
			return true;
	return false;
}

/* Appends @text, after a comma if there is something. */
static int append(char **list, const char *text)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? "," : "",
		     text) < 0)
		return -ENOMEM;
	free(*list);
	*list = longer;
	return 0;
}

/* The value of "name=value", or NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(word, name, len) && word[len] == '=' ? word + len + 1 :
							       NULL;
}

static int take_word(struct mafs_mount_request *request, const char *word,
		     struct mafs_fault *fault)
{
	struct mafs_settings settings = { 0 }; /* only looked at */
	const char *value;
	int r;

	if (!*word || is_one_of(word, silent, MAFS_ARRAY_SIZE(silent)) ||
	    !strncmp(word, "x-", 2) || !strncmp(word, "X-", 2) ||
	    value_of(word, "comment"))
		return 0;
	if (!strcmp(word, "ro") || !strcmp(word, "rw")) {
		request->read_only = !strcmp(word, "ro");
		return 0;
	}
	if (!strcmp(word, "allow_other") || !strcmp(word, "allow_root")) {
		request->allow_other = true;
		return append(&request->options, word);
	}
	if (is_one_of(word, handed_on, MAFS_ARRAY_SIZE(handed_on)))
		return append(&request->options, word);
	value = value_of(word, "memory");
	if (value)
		return mafs_mount_memory(request, value, fault);
	/* Our commas within memory=tmpfs:8G,mpol=bind:2. */
	if (request->memory &&
	    (value_of(word, "mpol") || value_of(word, "huge")))
		return append(&request->memory, word);
	/* And in memory=file:PATH,8G. */
	if (request->memory && !strncmp(request->memory, "file:", 5) &&
	    *word >= '0' && *word <= '9')
		return append(&request->memory, word);
	if (value_of(word, "device") || value_of(word, "role"))
		return append(&request->options, word);
	value = value_of(word, "pressure");
	if (value && *value != '/')
		return mafs_fault_set(fault, -EINVAL,
				      "pressure=%s: give an absolute path",
				      value);
	if (value)
		return append(&request->options, word);
	r = mafs_settings_take(&settings, word, fault);
	if (r != 0)
		return r < 0 ? r : append(&request->options, word);
	return mafs_fault_set(fault, -EINVAL, "unknown option %s; known are %s",
			      word, known);
}

int mafs_mount_options(struct mafs_mount_request *request, const char *text,
		       struct mafs_fault *fault)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *word;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (r == 0 && (word = strsep(&rest, ",")))
		r = take_word(request, word, fault);
	return r;
}

int mafs_mount_memory(struct mafs_mount_request *request, const char *spec,
		      struct mafs_fault *fault)
{
	_cleanup_free_ char *here = NULL;
	char *whole;
	int n;

	if (!*spec)
		return mafs_fault_set(fault, -EINVAL,
				      "memory: give a size as 8G or 50%%, "
				      "tmpfs:SIZE, memfd:SIZE, file:PATH,SIZE "
				      "or dax:/dev/daxX.Y");
	/* The daemon stands elsewhere. */
	if (!strncmp(spec, "file:", 5) && spec[5] && spec[5] != '/') {
		here = getcwd(NULL, 0);
		n = here ? asprintf(&whole, "file:%s/%s", here, spec + 5) : -1;
	} else {
		n = asprintf(&whole, "%s%s",
			     *spec >= '0' && *spec <= '9' ? "tmpfs:" : "",
			     spec);
	}
	if (n < 0)
		return -ENOMEM;
	free(request->memory);
	request->memory = whole;
	return 0;
}

void mafs_mount_request_done(struct mafs_mount_request *request)
{
	free(request->source);
	free(request->mountpoint);
	free(request->memory);
	free(request->options);
	*request = (struct mafs_mount_request){ 0 };
}
