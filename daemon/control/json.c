// SPDX-License-Identifier: Apache-2.0
/* Members of JSON objects. Called by what makes the answers. */
#include "json.h"

#include <mafs/cleanup.h>
#include <string.h>

/* Length of the UTF-8 sequence that begins here, 0 when it is none. */
static size_t utf8_len(const char *s)
{
	char one[5] = { 0 };
	json_t *probe;

	if ((unsigned char)*s < 0x80)
		return 1;
	for (size_t len = 2; len <= 4 && s[len - 1]; len++) {
		memcpy(one, s, len);
		probe = json_string(one);
		if (probe) {
			json_decref(probe);
			return len;
		}
	}
	return 0;
}

json_t *mafsd_bytes_to_json(const char *bytes)
{
	static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
	_cleanup_free_ char *clean = NULL;
	size_t len, n = 0;
	json_t *whole;

	whole = json_string(bytes);
	if (whole)
		return whole;
	clean = malloc(strlen(bytes) * (sizeof(replacement) - 1) + 1);
	if (!clean)
		return NULL;
	while (*bytes) {
		len = utf8_len(bytes);
		memcpy(clean + n, len ? bytes : replacement,
		       len ? len : sizeof(replacement) - 1);
		n += len ? len : sizeof(replacement) - 1;
		bytes += len ? len : 1;
	}
	clean[n] = '\0';
	return json_string(clean);
}

int mafsd_json_int(json_t *object, const char *key, uint64_t value)
{
	return json_object_set_new(object, key,
				   json_integer((json_int_t)value));
}

int mafsd_json_bool(json_t *object, const char *key, bool value)
{
	return json_object_set_new(object, key, json_boolean(value));
}

int mafsd_json_bytes(json_t *object, const char *key, const char *bytes)
{
	return json_object_set_new(
		object, key, bytes ? mafsd_bytes_to_json(bytes) : json_null());
}

int mafsd_json_name(json_t *object, const char *key, const char *bytes)
{
	_cleanup_free_ char *hex = NULL, *hex_key = NULL;
	json_t *text = json_string(bytes);

	if (text)
		return json_object_set_new(object, key, text);
	hex = malloc(strlen(bytes) * 2 + 1);
	if (!hex || asprintf(&hex_key, "%s_hex", key) < 0)
		return -1;
	*hex = '\0';
	for (size_t i = 0; bytes[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)bytes[i]);
	if (mafsd_json_bytes(object, key, bytes) < 0)
		return -1;
	return json_object_set_new(object, hex_key, json_string(hex));
}
