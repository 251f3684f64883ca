# SPDX-License-Identifier: Apache-2.0
"""Programs under a memory limit of their own."""

import contextlib
import os
import signal
import subprocess

from tree import write_file
from work import Skip, wait_for

GROUPS = "/sys/fs/cgroup"


@contextlib.contextmanager
def group(limit):
    """A memory group below ours; yields the file that takes process ids."""
    name = f"mafs-test-{os.getpid()}"
    if os.path.isdir(f"{GROUPS}/memory"):
        path, key = f"{GROUPS}/memory/{name}", "memory.limit_in_bytes"
    else:
        path, key = f"{GROUPS}/{name}", "memory.max"
    try:
        os.mkdir(path)
        write_file(f"{path}/{key}", str(limit).encode())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.rmdir(path)
        raise Skip(f"no memory control group: {error}")
    try:
        yield f"{path}/cgroup.procs"
    finally:
        with open(f"{path}/cgroup.procs") as procs:
            left = procs.read().split()
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)
        wait_for(lambda: remove_group(path), 10, "the group to be empty")


def remove_group(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def inside(procs, command, **options):
    return subprocess.run(
        ["sh", "-c", f'echo $$ >{procs} && exec "$@"', "sh", *command],
        capture_output=True, text=True, **options)
