# SPDX-License-Identifier: Apache-2.0
"""Which files the checks look at, and how a check ends."""

import os
import subprocess
import sys

TOP = os.environ.get("MAFS_SOURCE_DIR") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SKIP = 77


def tracked(*suffixes):
    """Tracked files below TOP that end so; without git, all that are there."""
    git = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-z"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    ) if have("git") else None
    if git and git.returncode == 0 and git.stdout:
        files = git.stdout.decode().split("\0")
    else:
        files = [os.path.relpath(os.path.join(folder, name), TOP)
                 for folder, _, names in os.walk(TOP)
                 if not os.path.relpath(folder, TOP).startswith("build")
                 for name in names]
    return sorted(f for f in files if f.endswith(suffixes)
                  and os.path.isfile(os.path.join(TOP, f)))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def have(program):
    return any(os.access(os.path.join(folder, program), os.X_OK)
               for folder in os.environ.get("PATH", "").split(":"))


def finish(faults, n_looked_at):
    """Prints the faults and exits as a ctest does."""
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults in {n_looked_at} files")
    sys.exit(1 if faults else 0)
