/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what a person wrote behind --memory:
 *
 *	tmpfs[:SIZE][,mpol=POLICY][,huge=POLICY]
 *	memfd:SIZE, file:PATH[,SIZE], dax:/dev/daxX.Y, /dev/daxX.Y
 *
 * A node list of mpol= may hold commas ("bind:0,2"): a piece that begins with
 * a digit belongs to the option before it.
 */
#include <mafs/memory.h>

#include <ctype.h>
#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/platform.h>
#include <mafs/size.h>
#include <string.h>

#define KINDS                                              \
	"tmpfs[:SIZE][,mpol=...][,huge=...], memfd:SIZE, " \
	"file:PATH[,SIZE] or dax:/dev/daxX.Y"

static const char *const huge_policies[] = { "never", "always", "within_size",
					     "advise" };

static bool is_one_of(const char *text, const char *const *of, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, of[i]))
			return true;
	return false;
}

static int parse_kind(const char *text, struct mafs_memory_spec *spec,
		      struct mafs_fault *fault)
{
	if (strcmp(text, "tmpfs") != 0)
		return mafs_fault_set(fault, -EINVAL,
				      "memory \"%s\": no such kind, write %s",
				      text, KINDS);
	strcpy(spec->kind, text);
	return 0;
}

static int parse_size(const char *text, struct mafs_memory_spec *spec,
		      struct mafs_fault *fault)
{
	struct mafs_bounds bounds;
	uint64_t size;
	int r;

	r = mafs_bounds_read(&bounds);
	if (r < 0)
		return mafs_fault_set(fault, r, "cannot read the size of RAM");
	r = mafs_size_parse(text, bounds.ram_bytes, &size);
	if (r < 0)
		return mafs_fault_set(fault, r,
				      "memory size \"%s\": write 512M, 8G or "
				      "50%%",
				      text);
	if (!size)
		return mafs_fault_set(fault, -EINVAL,
				      "memory size \"%s\": must not be 0",
				      text);
	spec->size_bytes = size;
	return 0;
}

static int set_option(char *field, size_t field_len, const char *name,
		      const char *value, struct mafs_fault *fault)
{
	if (!*value || strlen(value) >= field_len)
		return mafs_fault_set(fault, -EINVAL,
				      "memory option %s: value %s", name,
				      *value ? "too long" : "missing");
	strcpy(field, value);
	return 0;
}

static int parse_option(const char *option, struct mafs_memory_spec *spec,
			struct mafs_fault *fault)
{
	if (!strncmp(option, "mpol=", 5))
		return set_option(spec->mpol, sizeof(spec->mpol), "mpol",
				  option + 5, fault);
	if (strncmp(option, "huge=", 5))
		return mafs_fault_set(fault, -EINVAL,
				      "memory option \"%s\": unknown, write %s",
				      option, KINDS);
	if (!is_one_of(option + 5, huge_policies,
		       MAFS_ARRAY_SIZE(huge_policies)))
		return mafs_fault_set(fault, -EINVAL,
				      "memory option \"%s\": write "
				      "huge=within_size, always, advise or "
				      "never",
				      option);
	return set_option(spec->huge, sizeof(spec->huge), "huge", option + 5,
			  fault);
}

/* Cuts the next option off; NULL at the end. */
static char *next_option(char **rest)
{
	char *option = *rest, *comma;

	if (!option)
		return NULL;
	comma = strchr(option, ',');
	while (comma && isdigit((unsigned char)comma[1]))
		comma = strchr(comma + 1, ',');
	if (comma)
		*comma++ = '\0';
	*rest = comma;
	return option;
}

static int parse_tmpfs(const char *text, struct mafs_memory_spec *ret,
		       struct mafs_fault *fault)
{
	_cleanup_free_ char *copy = strdup(text);
	struct mafs_memory_spec spec = { 0 };
	char *rest = copy, *kind, *size, *option;
	int r;

	if (!copy)
		return -ENOMEM;
	kind = strsep(&rest, ",");
	size = kind;
	strsep(&size, ":");

	r = parse_kind(kind, &spec, fault);
	if (r == 0 && size)
		r = parse_size(size, &spec, fault);
	while (r == 0 && (option = next_option(&rest)))
		r = parse_option(option, &spec, fault);
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}

bool mafs_memory_spec_is_ram(const struct mafs_memory_spec *spec)
{
	return !strcmp(spec->kind, "tmpfs") || !strcmp(spec->kind, "memfd");
}

/* Kinds that are mapped. */
static bool is_mapped(const char *text)
{
	return *text == '/' || !strncmp(text, "file:", 5) ||
	       !strncmp(text, "memfd:", 6) || !strncmp(text, "dax:", 4);
}

static int parse_mapped(const char *text, struct mafs_memory_spec *ret,
			struct mafs_fault *fault)
{
	_cleanup_(mafs_device_spec_done) struct mafs_device_spec device = {};
	struct mafs_memory_spec spec = { 0 };
	int r;

	r = mafs_device_spec_parse(text, &device, fault);
	if (r < 0)
		return r;
	strcpy(spec.kind, mafs_device_kind_to_text(device.kind));
	spec.size_bytes = device.size_bytes;
	if (device.path && *device.path != '/')
		return mafs_fault_set(
			fault, -EINVAL,
			"memory \"%.200s\": give an absolute path", text);
	if (device.path && strlen(device.path) >= sizeof(spec.path))
		return mafs_fault_set(fault, -ENAMETOOLONG,
				      "memory \"%.200s\": the path is too long",
				      text);
	if (device.path)
		strcpy(spec.path, device.path);
	*ret = spec;
	return 0;
}

int mafs_memory_spec_parse(const char *text, struct mafs_memory_spec *ret,
			   struct mafs_fault *fault)
{
	if (is_mapped(text))
		return parse_mapped(text, ret, fault);
	return parse_tmpfs(text, ret, fault);
}
