#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A killed daemon's memory with very many files in it: mounted again soon.

ctest: labels=long timeout=3600
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import Volume
from runner import main, needs, scale
from tree import read_file, write_file
from usage import calm

N_DIRTY = scale(2000, 10000)
N_CLEAN = scale(10000, 1000000)


def name(i):
    return f"{i // 1000}/{i}"


def make_files(top, n):
    for i in range(n):
        if i % 1000 == 0:
            os.makedirs(f"{top}/{i // 1000}", exist_ok=True)
        with open(f"{top}/{name(i)}", "wb", buffering=0) as file:
            file.write(b"%d" % i)


def mounted_again(vol):
    """Until a file that was hot is read."""
    begin = time.monotonic()
    vol.mount("writeback_after=1h")
    assert read_file(f"{vol.mnt}/{name(7)}") == b"7"
    return time.monotonic() - begin


@needs("mafs")
def test_dirty_files_of_a_killed_daemon(work):
    vol = Volume(work, memory="tmpfs:2G",
                 options="writeback_after=1h,dirty_max=90%,writeback_at=90%,"
                         + calm(work)).mount()
    make_files(vol.mnt, N_DIRTY)
    assert vol.status()["n_dirty"] == N_DIRTY
    vol.kill()
    seconds = mounted_again(vol)
    print(f"{N_DIRTY} dirty files: mounted again in {seconds:.2f} s")
    assert seconds < 3
    assert vol.status()["n_dirty"] == N_DIRTY
    vol.sync()
    assert vol.status()["n_dirty"] == 0
    for i in range(N_DIRTY):
        assert read_file(f"{vol.dir}/{name(i)}") == b"%d" % i
    vol.umount()


@needs("mafs")
def test_clean_hot_files_of_a_killed_daemon(work):
    vol = Volume(work, memory="tmpfs:8G")
    make_files(vol.dir, N_CLEAN)
    vol.mount()
    vol.pull(vol.mnt)
    assert vol.status()["n_hot"] == N_CLEAN
    vol.kill()
    seconds = mounted_again(vol)
    print(f"{N_CLEAN} clean hot files: mounted again in {seconds:.2f} s")
    assert seconds < 5
    write_file(f"{vol.mnt}/new", b"new")
    vol.umount()


if __name__ == "__main__":
    main()
