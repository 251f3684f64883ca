#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory is the machine's: control groups, pressure, holes."""

import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from cgroup import group, inside
from mafs import MIB, Volume
from runner import main
from tree import block, read_file, write_file
from work import Skip, wait_for


def fill(path, size, seed=1):
    chunk = block(seed, MIB)
    with open(path, "wb", buffering=0) as out:
        for _ in range(size // MIB):
            out.write(chunk)


def is_filled(path, size, seed=1):
    chunk = block(seed, MIB)
    with open(path, "rb", buffering=0) as source:
        return all(source.read(MIB) == chunk for _ in range(size // MIB)) \
            and source.read(1) == b""


# ---- control groups ----

def killed(result):
    return result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def test_memcg_refuses_what_the_group_cannot_hold(work):
    vol = Volume(work)
    with group(128 * MIB) as procs:
        result = inside(procs, ["mafs", "mount", "--memory", "512M",
                                vol.dir, vol.mnt])
        assert result.returncode != 0
        assert "control group" in result.stderr, result.stderr


def test_memcg_daemon(work):
    """A daemon in a small group takes a part of it, and is not killed."""
    size = 300 * MIB
    vol = Volume(work)
    with group(128 * MIB) as procs:
        result = inside(procs, ["mafs", "mount", vol.dir, vol.mnt])
        assert result.returncode == 0, result.stderr
        vol._note()
        status = vol.status()
        assert status["memory"]["size_bytes"] <= 64 * MIB, status["memory"]
        pid = status["pid"]
        fill(f"{vol.mnt}/f", size)
        assert is_filled(f"{vol.mnt}/f", size)
        assert vol.status()["pid"] == pid
        vol.pid = pid
        vol.umount()
    assert is_filled(f"{vol.dir}/f", size)


def test_memcg_app_passthrough(work):
    """A program in a small group reads and writes hot files larger than it."""
    size = 128 * MIB
    vol = Volume(work, memory="tmpfs:512M")
    fill(f"{vol.dir}/hot", size)
    vol.mount()
    vol.pull(f"{vol.mnt}/hot")
    program = (
        "import mmap, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR)\n"
        "size = os.fstat(fd).st_size\n"
        "for i in range(0, size, 1 << 20): os.pread(fd, 1 << 20, i)\n"
        "m = mmap.mmap(fd, size)\n"
        "for i in range(0, size, 4096): m[i] = 7\n"
        "out = os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY, 0o644)\n"
        "for i in range(size >> 20): os.write(out, b'x' * (1 << 20))\n")
    reader = open(f"{vol.mnt}/hot", "rb", buffering=0)
    with group(48 * MIB) as procs:
        result = inside(procs, [sys.executable, "-c", program,
                                f"{vol.mnt}/hot", f"{vol.mnt}/new"])
        assert not killed(result), "killed for what mafs keeps"
        assert result.returncode == 0, result.stderr
    reader.close()
    vol.umount()
    changed = read_file(f"{vol.dir}/hot")
    assert all(changed[i] == 7 for i in range(0, size, 4096))
    assert os.stat(f"{vol.dir}/new").st_size == size


# ---- pressure ----

def press(path, percent):
    text = (f"some avg10={percent:.2f} avg60=0.00 avg300=0.00 total=1\n"
            "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    write_file(f"{path}.new", text.encode())
    os.rename(f"{path}.new", path)


def used(vol):
    return vol.status()["memory"]["used_bytes"]


def test_psi_shrinks(work):
    """Under pressure memory empties by itself, what is dirty after the rest."""
    pressure = work.join("memory.pressure")
    press(pressure, 0)
    vol = Volume(work, memory="tmpfs:128M",
                 options=f"pressure={pressure},writeback_after=3600").mount()
    for i in range(8):
        fill(f"{vol.mnt}/clean{i}", 4 * MIB, i)
    vol.sync()
    fill(f"{vol.mnt}/dirty", 8 * MIB, 99)
    before = used(vol)
    assert before >= 40 * MIB, before
    assert not vol.status()["memory_is_short"]

    press(pressure, 60)
    wait_for(lambda: used(vol) < 4 * MIB, 30, "memory to empty")
    status = vol.status()
    assert status["memory_is_short"]
    assert status["n_dirty"] == 0
    # What is new goes to disk.
    fill(f"{vol.mnt}/new", 4 * MIB, 5)
    assert used(vol) < 4 * MIB

    press(pressure, 0)
    wait_for(lambda: not vol.status()["memory_is_short"], 10, "relief")
    fill(f"{vol.mnt}/later", 4 * MIB, 6)
    assert used(vol) >= 4 * MIB
    for i in range(8):
        assert is_filled(f"{vol.mnt}/clean{i}", 4 * MIB, i)
    vol.umount()
    assert is_filled(f"{vol.dir}/dirty", 8 * MIB, 99)


# ---- holes ----

def test_sparse_hot_mmap_full(work):
    """Reading a hole through a mapping must not need memory."""
    vol = Volume(work, memory="tmpfs:16M").mount()
    size = 64 * MIB
    with open(f"{vol.mnt}/sparse", "wb", buffering=0) as out:
        out.write(b"head")
        out.seek(size - 4)
        out.write(b"tail")
    vol.sync()
    fill(f"{vol.mnt}/filler", 12 * MIB)
    program = (
        "import mmap, sys\n"
        "f = open(sys.argv[1])\n"
        "m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\n"
        "assert m[:4] == b'head' and m[-4:] == b'tail'\n"
        "assert not any(m[i] for i in range(4096, len(m), 4096))\n")
    result = subprocess.run([sys.executable, "-c", program,
                             f"{vol.mnt}/sparse"])
    assert result.returncode == 0, result
    vol.umount()
    assert is_filled(f"{vol.dir}/filler", 12 * MIB)


if __name__ == "__main__":
    main()
