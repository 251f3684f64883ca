#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which files are in memory: eviction by policy, watermarks."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared
from runner import main, needs
from tree import block, read_file
from work import run, wait_for

MEMORY = 64  # MiB


def in_memory(vol, folder):
    return [name for name in sorted(os.listdir(f"{vol.mnt}/{folder}"))
            if vol.file(f"{vol.mnt}/{folder}/{name}")["tier"] == "memory"]


def hot_after_scan(work, policy):
    """A hot set of 16 MiB is read twice, then three times memory once."""
    files = {f"hot/{i:02}": block(i, MIB) for i in range(16)}
    files |= {f"scan/{i:03}": block(i, MIB) for i in range(3 * MEMORY)}
    vol = prepared(work, files, memory=f"tmpfs:{MEMORY}M",
                   options=f"policy={policy}")
    assert vol.status()["memory"]["policy"] == policy
    vol.pull(f"{vol.mnt}/hot")
    for _ in range(2):
        for name in sorted(os.listdir(f"{vol.mnt}/hot")):
            assert read_file(f"{vol.mnt}/hot/{name}") == files[f"hot/{name}"]
    vol.pull(f"{vol.mnt}/scan")
    assert in_memory(vol, "scan")
    hot = in_memory(vol, "hot")
    for name, content in files.items():
        assert read_file(f"{vol.mnt}/{name}") == content, name
    vol.umount()
    return hot


@needs("mafs")
def test_scan_does_not_push_out_the_hot_set(work):
    assert len(hot_after_scan(work, "s3fifo")) == 16


@needs("mafs")
def test_lru_is_what_it_says(work):
    assert not hot_after_scan(work, "lru")


@needs("mafs")
def test_memory_goes_below_the_watermark(work):
    """From 90 % down to 80 %, and not further."""
    files = {f"d/{i:02}": block(i, MIB) for i in range(MEMORY * 31 // 32)}
    vol = prepared(work, files, memory=f"tmpfs:{MEMORY}M")

    def share():
        memory = vol.status()["memory"]
        return memory["used_bytes"] / memory["size_bytes"]

    vol.pull(f"{vol.mnt}/d")
    wait_for(lambda: share() <= 0.9, 30, "eviction")
    wait_for(lambda: share() <= 0.81, 30, "eviction to the low watermark")
    assert share() > 0.7
    assert len(in_memory(vol, "d")) > MEMORY // 2
    for name, content in files.items():
        assert read_file(f"{vol.mnt}/{name}") == content, name
    vol.umount()


@needs("mafs")
def test_unknown_policy_is_refused(work):
    vol = prepared(work, {})
    vol.umount()
    said = run(["mafs", "mount", "-o", "policy=random", vol.dir, vol.mnt],
               check=False)
    assert said.returncode != 0 and "lru or s3fifo" in said.stderr, said
    assert not vol.is_mounted()


if __name__ == "__main__":
    main()
