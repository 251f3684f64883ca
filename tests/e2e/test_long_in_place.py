#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A large file that was on disk is updated in place, through a mapping with
msync: its bytes are those of the updates after umount, and after a kill.

ctest: labels=long timeout=1800
"""

import mmap
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared
from runner import main, needs, scale
from tree import block, sha256
from work import run

SIZE = scale(64, 1024) * MIB
CONTENT = block(1, 16 * MIB) * (SIZE // (16 * MIB))
N_STORES = SIZE // 4096 // 8
SYNC_EVERY = N_STORES // 16


def update(path, twin, seed):
    """The same stores into both; all but the last are msynced."""
    rng = random.Random(seed)
    with open(path, "r+b", buffering=0) as file, open(twin, "r+b") as other:
        with mmap.mmap(file.fileno(), SIZE) as mapped:
            for i in range(N_STORES):
                at = rng.randrange(SIZE // 4096) * 4096 + rng.randrange(2048)
                bytes_ = block(i, 1000)
                mapped[at:at + 1000] = bytes_
                other.seek(at)
                other.write(bytes_)
                if i % SYNC_EVERY == SYNC_EVERY - 1:
                    mapped.flush()


@needs("mafs")
def test_stores_in_place_are_whole_after_umount_and_kill(work):
    twin = work.join("twin")
    with open(twin, "wb") as out:
        out.write(CONTENT)
    vol = prepared(work, {"f": CONTENT}, memory=f"tmpfs:{SIZE // 2}")
    update(f"{vol.mnt}/f", twin, 1)
    assert sha256(f"{vol.mnt}/f") == sha256(twin)
    vol.umount()
    assert sha256(f"{vol.dir}/f") == sha256(twin)
    vol.mount()
    update(f"{vol.mnt}/f", twin, 2)
    vol.kill()
    vol.mount()
    assert sha256(f"{vol.mnt}/f") == sha256(twin)
    vol.umount()
    assert sha256(f"{vol.dir}/f") == sha256(twin)
    run(["mafs", "fsck", vol.dir])


@needs("mafs")
def test_the_same_of_a_file_in_memory(work):
    """Hot when it is opened, and written past the daemon."""
    twin = work.join("twin")
    with open(twin, "wb") as out:
        out.write(CONTENT)
    vol = prepared(work, {"f": CONTENT}, memory=f"tmpfs:{2 * SIZE}")
    os.setxattr(vol.mnt, "user.mafs.policy", b"hot")
    vol.pull(f"{vol.mnt}/f")
    for seed, end in ((1, vol.umount), (2, vol.kill), (3, vol.umount)):
        update(f"{vol.mnt}/f", twin, seed)
        end()
        if end == vol.kill:
            vol.mount()
            assert sha256(f"{vol.mnt}/f") == sha256(twin)
        else:
            assert sha256(f"{vol.dir}/f") == sha256(twin)
            vol.mount()
    vol.umount()
    assert sha256(f"{vol.dir}/f") == sha256(twin)


if __name__ == "__main__":
    main()
