// SPDX-License-Identifier: Apache-2.0
/* Output. File names hold any bytes; terminals and JSON do not. */
#include "names.h"

#include <mafs/cleanup.h>
#include <mafs/descriptor.h>
#include <string.h>

char *mafs_name_shown(const char *name)
{
	bool printable = mafs_name_is_printable(name);
	char *shown = malloc(strlen(name) * 4 + 1), *to = shown;

	if (!shown)
		return NULL;
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c == '\\')
			to += sprintf(to, "\\\\");
		else if (printable || (c >= 0x20 && c < 0x7f))
			*to++ = *name;
		else if (c == '\n')
			to += sprintf(to, "\\n");
		else if (c == '\t')
			to += sprintf(to, "\\t");
		else
			to += sprintf(to, "\\x%02x", c);
	}
	*to = '\0';
	return shown;
}

void mafs_name_to_json(json_t *object, const char *key, const char *name)
{
	_cleanup_free_ char *hex = NULL, *hex_key = NULL;
	json_t *text = json_string(name);

	if (text) {
		json_object_set_new(object, key, text);
		return;
	}
	hex = malloc(strlen(name) * 2 + 1);
	if (!hex || asprintf(&hex_key, "%s_hex", key) < 0) {
		hex_key = NULL;
		return;
	}
	*hex = '\0';
	for (size_t i = 0; name[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)name[i]);
	json_object_set_new(object, hex_key, json_string(hex));
}

void mafs_json_set_number(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

void mafs_json_set_uuid(json_t *object, const char *key,
			const struct mafs_uuid *uuid)
{
	char text[MAFS_UUID_TEXT_LEN];

	mafs_uuid_to_text(uuid, text);
	json_object_set_new(object, key, json_string(text));
}

void mafs_json_print(const json_t *array, bool one)
{
	if (one && json_array_size(array) == 0)
		return;
	json_dumpf(one ? json_array_get(array, 0) : array, stdout,
		   JSON_INDENT(2));
	puts("");
}
