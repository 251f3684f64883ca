// SPDX-License-Identifier: Apache-2.0
/* The arguments of a call. Called by what serves it. */
#include "request.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <microhttpd.h>
#include <string.h>

const char *mafsd_request_text(const struct mafsd_request *request,
			       const char *key)
{
	const char *text = MHD_lookup_connection_value(
		request->connection, MHD_GET_ARGUMENT_KIND, key);

	return text ? text :
		      json_string_value(json_object_get(request->body, key));
}

int mafsd_request_int(const struct mafsd_request *request, const char *key,
		      int64_t otherwise, int64_t *ret, struct mafs_fault *fault)
{
	const json_t *member = json_object_get(request->body, key);
	const char *text = mafsd_request_text(request, key);
	char *end;

	if (json_is_integer(member)) {
		*ret = json_integer_value(member);
		return 0;
	}
	if (!text) {
		*ret = otherwise;
		return 0;
	}
	errno = 0;
	*ret = strtoll(text, &end, 10);
	if (errno || *end || end == text)
		return mafs_fault_set(fault, -EINVAL, "%s is not a number",
				      key);
	return 0;
}

int mafsd_request_path(const struct mafsd_request *request,
		       char ret[static MAFSD_PATH_MAX],
		       struct mafs_fault *fault)
{
	const char *path = request->path;
	size_t len;

	if (!path)
		path = mafsd_request_text(request, "path");
	if (!path)
		return mafs_fault_set(fault, -EINVAL,
				      "give the path as {\"path\": \"...\"} "
				      "or ?path=...");
	path += strspn(path, "/");
	len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	if (len >= MAFSD_PATH_MAX)
		return mafs_fault_set(fault, -EINVAL, "the path is too long");
	memcpy(ret, path, len);
	ret[len] = '\0';
	return 0;
}
