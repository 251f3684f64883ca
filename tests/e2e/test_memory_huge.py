#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Huge pages under memory volumes: they come beside requests, and no byte
changes."""

import mmap
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs
from tree import read_file, write_file
from work import Skip

MIB = 1 << 20
COLLAPSE = 25


def kernel_makes_them():
    fd = os.memfd_create("probe")
    try:
        os.truncate(fd, 4 * MIB)
        with mmap.mmap(fd, 4 * MIB) as area:
            area[:] = b"x" * (4 * MIB)
            try:
                area.madvise(COLLAPSE)
            except OSError:
                return False
        return True
    finally:
        os.close(fd)


def huge_bytes(pid):
    with open(f"/proc/{pid}/smaps") as smaps:
        return sum(int(kib) << 10 for kib in
                   re.findall(r"ShmemPmdMapped: *(\d+)", smaps.read()))


@needs("mafs")
def test_memfd_comes_to_have_huge_pages(work):
    if not kernel_makes_them():
        raise Skip("needs MADV_COLLAPSE: Linux 6.1 with huge pages")
    vol = MemoryVolume(work, kind="memfd", size="128M").mount()
    content, n = os.urandom(3 * MIB), 0
    deadline = time.monotonic() + 60
    while huge_bytes(vol.pid) < 32 * MIB:
        assert time.monotonic() < deadline, huge_bytes(vol.pid)
        write_file(f"{vol.mnt}/{n % 20}", content)
        assert read_file(f"{vol.mnt}/{n % 20}") == content
        n += 1
    for i in range(min(n, 20)):
        assert read_file(f"{vol.mnt}/{i}") == content
    vol.umount()


if __name__ == "__main__":
    main()
