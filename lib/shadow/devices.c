// SPDX-License-Identifier: Apache-2.0
/* The list of devices of a memory volume's shadow. */
#include "scalar.h"
#include "yaml.h"

#include <errno.h>
#include <mafs/cleanup.h>
#include <mafs/shadow.h>
#include <string.h>

#define DEVICES_VERSION 1
#define DEVICES_MAX 4096

void mafs_shadow_devices_done(struct mafs_shadow_devices *devices)
{
	for (size_t i = 0; i < devices->n; i++)
		free(devices->list[i].spec);
	free(devices->list);
	*devices = (struct mafs_shadow_devices){};
}

int mafs_shadow_devices_add(struct mafs_shadow_devices *devices,
			    const struct mafs_uuid *uuid, const char *spec)
{
	struct mafs_shadow_device *list = reallocarray(
		devices->list, devices->n + 1, sizeof(*devices->list));

	if (!list)
		return -ENOMEM;
	devices->list = list;
	list[devices->n] = (struct mafs_shadow_device){
		.uuid = *uuid,
		.spec = strdup(spec ? spec : ""),
	};
	if (!list[devices->n].spec)
		return -ENOMEM;
	devices->n++;
	return 0;
}

static int append_device(struct mafs_buffer *buffer,
			 const struct mafs_shadow_device *device)
{
	char line[96], uuid[MAFS_UUID_TEXT_LEN];
	int n, r;

	mafs_uuid_to_text(&device->uuid, uuid);
	n = snprintf(line, sizeof(line),
		     "    - uuid: '%s'\n      spec: ", uuid);
	r = mafs_buffer_append(buffer, line, (size_t)n);
	if (r == 0)
		r = mafs_name_append(buffer, device->spec, false);
	return r < 0 ? r : mafs_buffer_append(buffer, "\n", 1);
}

int mafs_shadow_devices_to_text(const struct mafs_shadow_devices *devices,
				struct mafs_buffer *buffer)
{
	static const char head[] = "devices:\n  version: 1\n  list:\n";
	int r = mafs_buffer_append(buffer, head, strlen(head));

	for (size_t i = 0; r == 0 && i < devices->n; i++)
		r = append_device(buffer, &devices->list[i]);
	return r;
}

static int read_version(struct mafs_yaml *yaml, void *target)
{
	uint64_t version = 0;
	int r = mafs_yaml_u64(yaml, UINT32_MAX, &version);

	if (r == 0 && version != DEVICES_VERSION)
		return mafs_yaml_fail(yaml, -EOPNOTSUPP,
				      "version %u is not known here",
				      (unsigned int)version);
	return r;
}

static int read_uuid(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_uuid(yaml,
			      &((struct mafs_shadow_device *)target)->uuid);
}

static int read_spec(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_name(yaml,
			      &((struct mafs_shadow_device *)target)->spec);
}

static const struct mafs_yaml_key device_keys[] = {
	{ .name = "uuid", .read = read_uuid },
	{ .name = "spec", .read = read_spec },
};

static int read_device(struct mafs_yaml *yaml, void *target)
{
	struct mafs_shadow_devices *devices = target;
	struct mafs_shadow_device device = {};
	int r;

	r = mafs_yaml_mapping(yaml, device_keys, MAFS_ARRAY_SIZE(device_keys),
			      &device);
	if (r == 0 && devices->n >= DEVICES_MAX)
		r = mafs_yaml_fail(yaml, -ERANGE, "too many devices");
	if (r == 0)
		r = mafs_shadow_devices_add(devices, &device.uuid, device.spec);
	free(device.spec);
	return r;
}

static int read_list(struct mafs_yaml *yaml, void *target)
{
	return mafs_yaml_mappings(yaml, read_device, target);
}

static const struct mafs_yaml_key devices_keys[] = {
	{ .name = "version", .read = read_version },
	{ .name = "list", .read = read_list },
};

int mafs_shadow_devices_from_text(const void *text, size_t len,
				  struct mafs_shadow_devices *ret,
				  struct mafs_fault *fault)
{
	_cleanup_(mafs_shadow_devices_done) struct mafs_shadow_devices
		devices = {};
	_cleanup_(mafs_yaml_close) struct mafs_yaml yaml = {};
	int r = mafs_yaml_open(&yaml, text, len, fault);

	if (r == 0)
		r = mafs_yaml_document(&yaml, "devices", devices_keys,
				       MAFS_ARRAY_SIZE(devices_keys), &devices);
	if (r < 0)
		return r;
	*ret = devices;
	devices = (struct mafs_shadow_devices){};
	return 0;
}
