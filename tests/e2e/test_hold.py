#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long and how much may stay in memory alone: writeback_after,
writeback_at, dirty_max."""

import os
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from compile import compile_and_delete
from mafs import MIB, Volume
from runner import main, needs
from tree import block, read_file, write_file
from usage import calm, memory_used
from work import wait_for

HOLD = "writeback_after=1h,writeback_at=60%"


@needs("mafs", "gcc", "make", "mkfs.ext4")
def test_compile_and_delete_writes_nothing(work):
    """With a journal, which keeps the order of names: else what replaces
    another file goes down before."""
    source = f"{work.disk()}/dir"
    os.mkdir(source)
    vol = Volume(work, source=source,
                 options=f"{HOLD},{calm(work)}").mount()
    for _ in range(3):
        compile_and_delete(f"{vol.mnt}/build", 12)
    write_file(f"{vol.mnt}/kept", block(1, MIB))
    status = vol.status()
    assert status["written_back_bytes"] == 0, status
    assert status["n_written_back"] == 0, status
    assert os.path.getsize(f"{vol.dir}/kept") == 0
    vol.sync()
    assert vol.status()["written_back_bytes"] == MIB
    assert read_file(f"{vol.dir}/kept") == block(1, MIB)
    vol.umount()


@needs("mafs")
def test_open_file_is_held_as_long(work):
    """Though writeback_most is shorter."""
    vol = Volume(work, options=f"{HOLD},writeback_most=0,{calm(work)}").mount()
    with open(f"{vol.mnt}/f", "wb") as file:
        file.write(block(1, MIB))
        file.flush()
        time.sleep(1.5)
        assert vol.status()["n_written_back"] == 0
    vol.umount()


@needs("mafs")
def test_so_much_dirty_goes_down(work):
    vol = Volume(work, memory="tmpfs:64M",
                 options=f"{HOLD},{calm(work)}").mount()
    for i in range(34):
        write_file(f"{vol.mnt}/{i}", block(i, MIB))
    time.sleep(1.5)
    assert vol.status()["n_written_back"] == 0
    for i in range(34, 40):
        write_file(f"{vol.mnt}/{i}", block(i, MIB))
    wait_for(lambda: vol.status()["dirty_bytes"] < 20 * MIB, 30, "write-back")
    assert read_file(f"{vol.dir}/0") == block(0, MIB)
    for i in range(40):
        assert read_file(f"{vol.mnt}/{i}") == block(i, MIB)
    vol.umount()


@needs("mafs")
def test_past_its_bounds_it_goes_to_the_disk(work):
    """Four times memory, held for an hour: new files begin on the disk, an
    open one goes on there, memory is never above its size."""
    vol = Volume(work, memory="tmpfs:64M",
                 options=f"{HOLD},{calm(work)}").mount()
    with memory_used(vol) as used:
        for i in range(128):
            write_file(f"{vol.mnt}/{i}", block(i, MIB))
        with open(f"{vol.mnt}/large", "wb") as file:
            for i in range(128):
                file.write(block(i, MIB))
        size = vol.status()["memory"]["size_bytes"]
    assert 0 < max(used) <= size, (max(used), size)
    assert size <= 64 * MIB
    for i in range(128):
        assert read_file(f"{vol.mnt}/{i}") == block(i, MIB)
    vol.sync()
    assert vol.status()["dirty_bytes"] == 0
    vol.umount()
    with open(f"{vol.dir}/large", "rb") as file:
        for i in range(128):
            assert file.read(MIB) == block(i, MIB)


@needs("mafs")
def test_wrong_values_are_refused(work):
    vol = Volume(work)
    for option in ("writeback_at=0", "writeback_at=much", "dirty_max=101%",
                   "writeback_after=8d", "watermark_low=95"):
        try:
            vol.mount(option)
        except AssertionError as error:
            assert option.split("=")[0] in str(error), error
        else:
            raise AssertionError(f"{option} was taken")
    assert not vol.is_mounted()
    shutil.rmtree(vol.dir)


if __name__ == "__main__":
    main()
