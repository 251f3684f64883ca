#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""N's file system loses its power while names change their files and most bytes
are only in memory: a replaced file is whole, the old or the new one, and what
was never written back is said.

ctest: timeout=600
"""

import itertools
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB
from powercut import Numbers, Version, cut_rounds, whole_version
from runner import main, needs, scale
from syscalls import RENAME_EXCHANGE, renameat2
from tree import block, read_file, write_file
from work import run, wait_for

KIB = 1024


def version(seed, number):
    own = random.Random(f"{seed} {number}")
    return Version(number, own.choice((KIB, 20 * KIB, 200 * KIB, MIB)),
                   own.random() < 0.2)


def mode_of(number):
    return 0o600 if number % 2 else 0o644


def make(path, seed, number):
    """A new file, with a mode that belongs to its content."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.fchmod(fd, mode_of(number))
    version(seed, number).write(fd)
    return fd


def found(path, seed, first, last):
    """Which of the versions first to last it is: whole, with its mode."""
    number = whole_version(path, [version(seed, i)
                                  for i in range(first, last + 1)])
    mode = os.stat(path).st_mode & 0o7777
    assert mode == mode_of(number), f"{path}: version {number}, mode {mode:o}"
    return number


def nothing_is_kept(machine):
    """What waited for bytes below does not stay."""
    machine.vol.sync()
    dot = f"{machine.vol.dir}/.mafs"
    left = os.listdir(f"{dot}/replaced")
    assert not left, f"left in .mafs/replaced: {left}"
    shutil.rmtree(f"{dot}/lost+found", ignore_errors=True)


# ---- rename over ----

def replaced(machine, top, rng):
    """As editors save: a new file renamed over the old one."""
    n_files, seed = 4, rng.randrange(1 << 30)
    began, durable = 0, n_files
    numbers = Numbers(2 * n_files)
    where = rng.choice(("", "new/"))
    os.mkdir(f"{top}/new")
    for k in range(n_files):
        os.close(make(f"{top}/{k}", f"{seed} {k}", 0))
    machine.vol.sync()

    def work():
        own = random.Random(seed)
        for number in itertools.count(1):
            for k in range(n_files):
                numbers[began + k] = number
                new = f"{top}/{where}{k}.new"
                fd = make(new, f"{seed} {k}", number)
                if own.random() < 0.2:
                    os.fsync(fd)
                if own.random() < 0.7:
                    os.close(fd)
                    fd = -1
                os.rename(new, f"{top}/{k}")
                if fd >= 0:
                    if own.random() < 0.3:
                        os.fsync(fd)
                        numbers[durable + k] = number
                    os.close(fd)

    said = yield work, numbers
    for k in range(n_files):
        found(f"{top}/{k}", f"{seed} {k}", said[durable + k],
              numbers[began + k])
    nothing_is_kept(machine)


@needs("mafs")
def test_cut_rename_over(work):
    cut_rounds(work, "cut_rename_over", scale(1, 10), replaced)


# ---- exchange ----

def exchanged(machine, top, rng):
    """New files, never written back, change their names with old ones."""
    seed, numbers = rng.randrange(1 << 30), Numbers(1)
    names = [f"{top}/{name}" for name in "abc"]
    for number, path in enumerate(names):
        os.close(make(path, seed, number))
    machine.vol.sync()

    def work():
        own = random.Random(seed)
        for number in itertools.count(len(names)):
            numbers[0] = number
            os.close(make(f"{top}/new", seed, number))
            renameat2(f"{top}/new", own.choice(names), RENAME_EXCHANGE)
            if own.random() < 0.5:
                renameat2(*own.sample(names, 2), RENAME_EXCHANGE)
            os.unlink(f"{top}/new")

    yield work, numbers
    there = [found(path, seed, 0, numbers[0]) for path in names]
    assert len(set(there)) == len(there), f"one file twice: {there}"
    nothing_is_kept(machine)


@needs("mafs")
def test_cut_exchange(work):
    cut_rounds(work, "cut_exchange", scale(1, 10), exchanged)


# ---- what is lost ----

SAID = b"the memory of its last session is gone"


def mount_said(machine):
    return read_file(machine.vol.work.top.log).count(SAID)


def pending(machine):
    """The list of the files that a cut took the bytes of."""
    wait_for(lambda: not machine.vol.status()["pending"]["scanning"], 30,
             "the look for files that were never written back")
    return set(machine.vol.status()["pending"]["paths"])


def unwritten(machine, top, rng):
    """New files: fsynced, synced, or only in memory with durable names."""
    numbers, before = Numbers(1), mount_said(machine)
    sizes = {f"{where}{k}": rng.choice((1, 5000, 100 * KIB))
             for where in ("", "sub/") for k in range(6)}
    os.mkdir(f"{top}/sub")
    for name in ("old", "sub/old"):
        write_file(f"{top}/{name}", block(name, 1000))
    machine.vol.sync()

    def work():
        for name, size in sizes.items():
            with open(f"{top}/{name}.tmp", "wb") as out:
                out.write(block(name, size))
                if "3" in name:
                    out.flush()
                    os.fsync(out.fileno())
            os.rename(f"{top}/{name}.tmp", f"{top}/{name}")
        run(["sync", "-f", machine.disk.point])
        numbers[0] = 1
        while True:
            write_file(f"{top}/after", block("after", 3000))

    yield work, numbers
    listed = pending(machine)
    assert mount_said(machine) == before + 1, "mount said nothing of the loss"
    lost = set()
    for name, size in sizes.items():
        data = read_file(f"{top}/{name}")
        if data != block(name, size):
            assert not data, f"{name} has {len(data)} of {size} bytes"
            lost.add(f"/{os.path.basename(top)}/{name}")
    assert not [name for name in lost if "3" in os.path.basename(name)], \
        f"fsynced, and lost: {sorted(lost)}"
    assert lost, "nothing was lost"
    ours = {path for path in listed
            if path.startswith(f"/{os.path.basename(top)}/")
            and os.path.basename(path) != "after"}
    assert ours == lost, f"listed {sorted(listed)}, lost {sorted(lost)}"


@needs("mafs")
def test_powercut_lists_pending(work):
    cut_rounds(work, "powercut_lists_pending", scale(1, 4), unwritten,
               delays=(30,))


if __name__ == "__main__":
    main()
