/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pressure stall information (Documentation/accounting/psi.rst): the share of
 * the last ten seconds in which some task waited for memory.
 */
#include <mafs/cleanup.h>
#include <mafs/platform.h>

#include <errno.h>
#include <stdio.h>

int mafs_pressure_read(const char *path, double *ret_percent)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[256];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "some avg10=%lf", ret_percent) == 1)
			return 0;
	return -EIO;
}
