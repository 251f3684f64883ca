// SPDX-License-Identifier: Apache-2.0
/* Sizes as people write them. Called by the programs for options. */
#include <ctype.h>
#include <errno.h>
#include <mafs/checked.h>
#include <mafs/size.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS_MAX 9

static const char size_units[] = "KMGTP";

/* A decimal number: whole + fraction / scale. */
struct size_number {
	uint64_t whole;
	uint64_t fraction;
	uint64_t scale; /* 10^digits; 1 without a fraction */
};

static int parse_number(const char **text, struct size_number *ret)
{
	struct size_number number = { .scale = 1 };
	const char *at = *text;

	if (!isdigit((unsigned char)*at))
		return -EINVAL;
	for (; isdigit((unsigned char)*at); at++)
		if (!mafs_mul_u64(number.whole, 10, &number.whole) ||
		    !mafs_add_u64(number.whole, (uint64_t)(*at - '0'),
				  &number.whole))
			return -ERANGE;
	if (*at == '.') {
		const char *first = ++at;

		for (; isdigit((unsigned char)*at); at++) {
			if (at - first >= FRACTION_DIGITS_MAX)
				return -EINVAL;
			number.fraction =
				number.fraction * 10 + (uint64_t)(*at - '0');
			number.scale *= 10;
		}
		if (at == first)
			return -EINVAL;
	}
	*text = at;
	*ret = number;
	return 0;
}

static int percent_of(const struct size_number *number, uint64_t whole_bytes,
		      uint64_t *ret_bytes)
{
	unsigned __int128 scaled;

	if (!whole_bytes)
		return -EINVAL;
	if (number->whole > 100 || (number->whole == 100 && number->fraction))
		return -ERANGE;
	scaled = (unsigned __int128)number->whole * number->scale +
		 number->fraction;
	*ret_bytes = (uint64_t)(scaled * whole_bytes / number->scale / 100);
	return 0;
}

/* Return: bits to shift by, or -EINVAL. */
static int parse_unit(const char *suffix)
{
	const char *unit;

	if (!*suffix)
		return 0;
	unit = strchr(size_units, toupper((unsigned char)*suffix));
	if (!unit || (suffix[1] && strcmp(suffix + 1, "iB") != 0))
		return -EINVAL;
	return 10 * (int)(unit - size_units + 1);
}

int mafs_size_parse(const char *text, uint64_t whole_bytes, uint64_t *ret_bytes)
{
	struct size_number number;
	uint64_t unit_bytes, bytes, part;
	int err, shift;

	err = parse_number(&text, &number);
	if (err)
		return err;
	if (!strcmp(text, "%"))
		return percent_of(&number, whole_bytes, ret_bytes);
	shift = parse_unit(text);
	if (shift < 0)
		return shift;
	if (!shift && number.scale > 1)
		return -EINVAL; /* part of a byte */
	unit_bytes = UINT64_C(1) << shift;
	part = (uint64_t)((unsigned __int128)number.fraction * unit_bytes /
			  number.scale);
	if (!mafs_mul_u64(number.whole, unit_bytes, &bytes) ||
	    !mafs_add_u64(bytes, part, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

void mafs_size_to_text(uint64_t bytes, char ret[static MAFS_SIZE_TEXT_LEN])
{
	const char *unit = size_units;
	uint64_t unit_bytes = 1024;
	uint64_t tenths;

	if (bytes < 1024) {
		(void)snprintf(ret, MAFS_SIZE_TEXT_LEN, "%u", (unsigned)bytes);
		return;
	}
	for (;;) {
		tenths = (uint64_t)(((unsigned __int128)bytes * 10 +
				     unit_bytes / 2) /
				    unit_bytes);
		if (tenths < 10240 || !unit[1])
			break;
		unit_bytes *= 1024;
		unit++;
	}
	if (tenths % 10)
		(void)snprintf(ret, MAFS_SIZE_TEXT_LEN, "%u.%u%c",
			       (unsigned)(tenths / 10), (unsigned)(tenths % 10),
			       *unit);
	else
		(void)snprintf(ret, MAFS_SIZE_TEXT_LEN, "%u%c",
			       (unsigned)(tenths / 10), *unit);
}
