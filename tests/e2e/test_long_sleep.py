#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A disk that may sleep: a build that is made and removed under
writeback_after=1h writes no more sectors than the same names with empty files.
Nobody else on the machine may call sync(2) meanwhile, which commits names.

ctest: labels=long timeout=1800
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from compile import compile_and_delete, touch_and_delete
from mafs import Volume
from runner import main, needs, scale
from usage import calm
from work import run

N_FILES = scale(40, 400)
N_TURNS = scale(8, 20)


def sectors_written(point):
    device = run(["findmnt", "-no", "SOURCE", point]).stdout.strip()
    with open(f"/sys/class/block/{os.path.basename(device)}/stat",
              encoding="ascii") as stat:
        return int(stat.read().split()[6])


def measure(work, name, build):
    # Nothing is to be made ready in the background, and ext4 commits names
    # when it is asked to, not by the clock: the builds take longer.
    disk = work.disk(name, size="512M", options=("commit=3600",),
                     mkfs=("-E", "lazy_itable_init=0,lazy_journal_init=0"))
    os.mkdir(f"{disk}/dir")
    vol = Volume(work, source=f"{disk}/dir", mnt=work.join(name + ".mnt"),
                 options="writeback_after=1h,writeback_at=60%,"
                         + calm(work)).mount()
    run(["sync", "-f", disk])
    before = sectors_written(disk)
    for _ in range(N_TURNS):
        build(f"{vol.mnt}/build", N_FILES)
        run(["sync", "-f", disk])  # the journal's commit, now
    sectors = sectors_written(disk) - before
    assert vol.status()["written_back_bytes"] == 0
    vol.umount()
    return sectors


@needs("mafs", "gcc", "make", "mkfs.ext4")
def test_build_lets_the_disk_sleep(work):
    full = measure(work, "full", compile_and_delete)
    empty = measure(work, "empty", touch_and_delete)
    print(f"sectors written: {full} by the build, {empty} by its names alone: "
          f"{full / empty:.2f}")
    assert full <= 1.1 * empty, (full, empty)


if __name__ == "__main__":
    main()
