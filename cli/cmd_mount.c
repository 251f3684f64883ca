// SPDX-License-Identifier: Apache-2.0
/* mafs mount: serve a directory from memory. */
#include "cli.h"
#include "mount.h"
#include "unit.h"
#include "utab.h"

#include <errno.h>
#include <getopt.h>
#include <mafs/cleanup.h>
#include <mafs/device.h>
#include <mafs/diag.h>
#include <mafs/settings.h>
#include <string.h>

/* Return: 0, -EINVAL (usage), -ENOMEM; the fault set. */
static int take_option(struct mafs_mount_request *request, int c, char **argv,
		       struct mafs_fault *fault)
{
	switch (c) {
	case 'o':
		return mafs_mount_options(request, optarg, fault);
	case 'm':
		return mafs_mount_memory(request, optarg, fault);
	case 'f':
		request->foreground = true;
		return 0;
	case 'S':
		request->no_systemd = true;
		return 0;
	case 'r':
		request->read_only = true;
		return 0;
	case ':':
		return mafs_fault_set(fault, -EINVAL, "%s wants a value",
				      argv[optind - 1]);
	default:
		return mafs_fault_set(fault, -EINVAL, "unknown option %s",
				      argv[optind - 1]);
	}
}

static int take_paths(struct mafs_mount_request *request, int n, char **paths,
		      struct mafs_fault *fault)
{
	if (n < 1 || n > 2)
		return mafs_fault_set(fault, -EINVAL,
				      "name the directory to serve and where "
				      "to mount it");
	if (n == 1 && mafs_device_spec_is(paths[0]))
		return mafs_fault_set(fault, -EINVAL, "name where to mount %s",
				      paths[0]);
	request->source = strdup(paths[0]);
	request->mountpoint = strdup(paths[n - 1]);
	return request->source && request->mountpoint ? 0 : -ENOMEM;
}

static int read_command_line(int argc, char **argv,
			     struct mafs_mount_request *request,
			     struct mafs_fault *fault)
{
	static const struct option options[] = {
		{ "options", required_argument, NULL, 'o' },
		{ "memory", required_argument, NULL, 'm' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "no-systemd", no_argument, NULL, 'S' },
		{ 0 },
	};
	int c, r = 0;

	while (r == 0 &&
	       (c = getopt_long(argc, argv, ":o:m:fr", options, NULL)) != -1)
		r = take_option(request, c, argv, fault);
	if (r == 0)
		r = take_paths(request, argc - optind, argv + optind, fault);
	return r;
}

static int add_read_only(struct mafs_mount_request *request)
{
	char *with;

	if (!request->read_only)
		return 0;
	if (asprintf(&with, "ro%s%s", request->options ? "," : "",
		     request->options ? request->options : "") < 0)
		return -ENOMEM;
	free(request->options);
	request->options = with;
	return 0;
}

static int start(const struct mafs_mount_request *request,
		 struct mafs_fault *fault)
{
	int r;

	if (!request->foreground && !request->no_systemd &&
	    !mafs_mount_of_device(request) && mafs_unit_usable(request))
		return mafs_unit_start(request, fault);
	r = mafs_mount_start(request, fault);
	if (r == 0 && !mafs_mount_of_device(request))
		mafs_notice("not under systemd: mafs umount %s must come "
			    "before power-off",
			    request->mountpoint);
	return r;
}

static int run(int argc, char **argv)
{
	_cleanup_(mafs_mount_request_done) struct mafs_mount_request request = {
		0
	};
	struct mafs_fault fault = MAFS_FAULT_INIT;
	int r;

	r = read_command_line(argc, argv, &request, &fault);
	if (r == -EINVAL)
		return mafs_command_usage(&mafs_command_mount, "%s",
					  fault.what);
	if (r == 0)
		r = mafs_mount_check(&request, &fault);
	if (r == 0)
		r = add_read_only(&request);
	if (r == 0)
		r = start(&request, &fault);
	if (r == 0)
		mafs_utab_add(request.source, request.mountpoint);
	if (r < 0) {
		mafs_error("%s", fault.what[0] ? fault.what : strerror(-r));
		return MAFS_EXIT_FAILURE;
	}
	return MAFS_EXIT_OK;
}

const struct mafs_command mafs_command_mount = {
	.name = "mount",
	.summary = "serve a directory from memory and write it back",
	.help = "usage: mafs mount [OPTION...] DIR [MNT]\n"
		"       mafs mount [OPTION...] SPEC MNT\n"
		"\n"
		"Mounts DIR at MNT: new files are written to memory and from "
		"there to DIR; what\n"
		"is in memory, or was pulled there, is read at memory speed. "
		"Without MNT it is\n"
		"mounted over DIR itself. Returns when the mount answers.\n"
		"\n"
		"SPEC names the memory device of a memory volume, which mafs "
		"mkfs has made:\n"
		"file:PATH, dax:/dev/daxX.Y, or their paths; memfd:SIZE is made "
		"at the mount.\n"
		"\n"
		"  -m, --memory SPEC    how much memory: 512M, 8G, 50%, or "
		"tmpfs:64G,mpol=bind:2\n"
		"                       (default: half of RAM); or "
		"memfd:SIZE, file:PATH,SIZE,\n"
		"                       dax:/dev/daxX.Y\n"
		"  -o, --options WORDS  separated by commas:\n"
		"      ro, rw                    read-only or not\n"
		"      noatime, relatime, strictatime, nodiratime, lazytime\n"
		"      nodev, dev, nosuid, suid, noexec, exec\n"
		"      allow_other, allow_root   let others in (root's mounts "
		"do)\n"
		"      memory=SPEC               as --memory\n"
		"      pressure=FILE             where the kernel tells how "
		"short memory is\n"
		"    and settings of the volume, for this mount (mafs set "
		"keeps them):\n" MAFS_SETTINGS_HELP
		"  -r, --read-only      as -o ro\n"
		"  -f, --foreground     stay, and say what happens\n"
		"      --no-systemd     not as the unit mafs@DIR.service, also "
		"where systemd runs\n"
		"\n"
		"Examples:\n"
		"  mafs mount /data /mnt/fast\n"
		"  mafs mount --memory 8G -o noatime /srv/build\n",
	.run = run,
};
