#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory that is lost under a mount: EIO for what lay there, and the daemon
goes on."""

import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../bench"))
from bench import io_uring
from memory import MemoryVolume
from runner import main, needs
from tree import block, read_file, write_file
from work import Skip, fails

MIB = 1 << 20


def check_lost_bytes_are_eio(work, options):
    vol = MemoryVolume(work, "file", size="64M", devices=1,
                       options=options).mount()
    first, large = f"{vol.mnt}/first", f"{vol.mnt}/large"
    write_file(first, block(1, MIB))
    write_file(large, block(2, 40 * MIB))
    os.truncate(work.join("device-0"), 24 * MIB)
    with open(large, "r+b", buffering=0) as file:
        for at in (30 * MIB, 35 * MIB + 77):
            for n in (MIB, 4096, 1):
                with fails(errno.EIO):
                    os.pread(file.fileno(), n, at)
                with fails(errno.EIO):
                    os.pwrite(file.fileno(), b"x" * n, at)
        # What is left of it, and of the other, is as it was.
        assert os.pread(file.fileno(), 4 * MIB, 0) == block(2, 4 * MIB)
    assert read_file(first) == block(1, MIB)
    assert vol.alive()
    vol.discard()


@needs("mafs")
def test_lost_bytes_are_eio(work):
    check_lost_bytes_are_eio(work, "no_io_uring")


@needs("mafs")
def test_lost_bytes_are_eio_over_io_uring(work):
    with io_uring() as allowed:
        if not allowed:
            raise Skip("needs FUSE over io_uring")
        check_lost_bytes_are_eio(work, "io_uring")


if __name__ == "__main__":
    main()
