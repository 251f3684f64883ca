#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data four times memory for ten minutes (MAFS_TEST_SECONDS): fio that
verifies, and builds. No error, memory within its bound, all equal at the end.

ctest: labels=long timeout=3600
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from compile import compile_and_delete
from mafs import MIB, Volume
from runner import main, needs, scale
from tree import assert_same, block, manifest, read_file, write_file
from usage import memory_used
from work import Child

SECONDS = float(os.environ.get("MAFS_TEST_SECONDS", scale(30, 600)))
MEMORY = 512 * MIB
N_FILES = 4 * MEMORY // (16 * MIB)


def fio(directory, end):
    os.mkdir(directory)
    turn = 0
    while turn == 0 or time.time() < end:
        kind = ("--rw=randwrite --bs=4k", "--rw=write --bs=256k",
                "--rw=randrw --bs=16k --fsync=32")[turn % 3]
        subprocess.run(
            ["fio", "--name=job", f"--directory={directory}", "--size=192m",
             "--verify=crc32c", "--verify_fatal=1", "--minimal",
             *kind.split()], check=True, stdout=subprocess.DEVNULL)
        turn += 1


def build(directory, end):
    turn = 0
    while turn == 0 or time.time() < end:
        compile_and_delete(directory, 20)
        turn += 1


@needs("mafs", "fio", "gcc", "make")
def test_data_four_times_memory(work):
    vol = Volume(work, memory=f"tmpfs:{MEMORY // MIB}M", promote="60").mount()
    end = time.time() + SECONDS
    with memory_used(vol) as used:
        loads = [Child(lambda: fio(f"{vol.mnt}/fio", end)),
                 Child(lambda: build(f"{vol.mnt}/build", end))]
        for i in range(N_FILES):
            write_file(f"{vol.mnt}/{i}", block(i, 16 * MIB))
        i = 0
        while time.time() < end:
            i = (i + 7) % N_FILES
            assert read_file(f"{vol.mnt}/{i}") == block(i, 16 * MIB), i
        for load in loads:
            load.wait(600)
        size = vol.status()["memory"]["size_bytes"]
    print(f"most memory used: {max(used) / MIB:.1f} of {size / MIB:.1f} MiB, "
          f"{len(used)} samples")
    assert max(used) <= size <= MEMORY
    before = manifest(vol.mnt)
    vol.umount()
    assert_same(manifest(vol.dir), before)
    for i in range(N_FILES):
        assert read_file(f"{vol.dir}/{i}") == block(i, 16 * MIB), i


if __name__ == "__main__":
    main()
