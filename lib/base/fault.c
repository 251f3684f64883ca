// SPDX-License-Identifier: Apache-2.0
/*
 * Fills struct mafs_fault: the sentence that a program prints for an error of
 * a library. Called by every library, from any thread, on the caller's struct.
 */
#include <mafs/fault.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 3, 0))) static void
fault_fill(struct mafs_fault *fault, uint64_t media_offset, const char *fmt,
	   va_list args)
{
	if (!fault)
		return;
	/* A sentence that is too long is cut; it never fails. */
	(void)vsnprintf(fault->what, sizeof(fault->what), fmt, args);
	fault->media_offset = media_offset;
	fault->seq = 0;
}

int mafs_fault_set(struct mafs_fault *fault, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fault_fill(fault, MAFS_FAULT_NO_OFFSET, fmt, args);
	va_end(args);
	return err;
}

int mafs_fault_at(struct mafs_fault *fault, int err, uint64_t media_offset,
		  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fault_fill(fault, media_offset, fmt, args);
	va_end(args);
	return err;
}
