#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which files are in memory: eviction by policy, watermarks, promotion."""

import os
import sys
import time

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


def tier(vol, name):
    return vol.file(f"{vol.mnt}/{name}")["tier"]


def wait_hot(vol, name):
    wait_for(lambda: tier(vol, name) == "memory", 30, f"{name} in memory")


@needs("mafs")
def test_file_read_twice_is_hot(work):
    """Also a large one; not one larger than half of memory."""
    files = {"small": block(1, 100000), "large": block(2, 20 * MIB),
             "huge": block(3, 40 * MIB), "once": block(4, 100000)}
    vol = prepared(work, files, memory=f"tmpfs:{MEMORY}M", promote="3600")
    for name in ("huge", "once", "large", "small"):
        assert read_file(f"{vol.mnt}/{name}") == files[name]
        assert tier(vol, name) == "disk"
    for name in ("huge", "large", "small"):
        assert read_file(f"{vol.mnt}/{name}") == files[name]
    wait_hot(vol, "small")
    wait_hot(vol, "large")
    assert vol.status()["n_promoted"] == 2
    for name, content in files.items():
        assert read_file(f"{vol.mnt}/{name}") == content
    assert tier(vol, "huge") == "disk"
    vol.umount()


@needs("mafs")
def test_written_file_is_read_twice_again(work):
    files = {"f": block(1, 100000), "g": block(2, 1000)}
    vol = prepared(work, files, promote="3600")
    read_file(f"{vol.mnt}/f")
    with open(f"{vol.mnt}/f", "r+b") as file:
        file.write(b"new")
    content = b"new" + files["f"][3:]
    assert read_file(f"{vol.mnt}/f") == content
    for _ in range(2):  # and is done before us if it was asked for
        read_file(f"{vol.mnt}/g")
    wait_hot(vol, "g")
    assert tier(vol, "f") == "disk"
    # Written a moment ago it may be put off to its next reads.
    wait_for(lambda: read_file(f"{vol.mnt}/f") == content and
             tier(vol, "f") == "memory", 10, "f in memory")
    assert read_file(f"{vol.mnt}/f") == content
    vol.umount()


@needs("mafs")
def test_reads_that_are_far_apart_do_not_promote(work):
    vol = prepared(work, {"f": b"1"}, promote="0.05")
    for _ in range(5):
        read_file(f"{vol.mnt}/f")
        time.sleep(0.1)
    assert tier(vol, "f") == "disk"
    vol.umount()


@needs("mafs")
def test_promotion_is_off_when_told(work):
    vol = prepared(work, {"f": b"1"}, promote="off")
    for _ in range(5):
        read_file(f"{vol.mnt}/f")
    time.sleep(0.5)
    assert tier(vol, "f") == "disk"
    vol.umount()


@needs("mafs")
def test_unknown_policy_is_refused(work):
    vol = prepared(work, {})
    vol.umount()
    said = run(["mafs", "mount", "-o", "policy=random", vol.dir, vol.mnt],
               check=False)
    assert said.returncode != 0 and "s3fifo|lru" in said.stderr, said
    assert not vol.is_mounted()


if __name__ == "__main__":
    main()
