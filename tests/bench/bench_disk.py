#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A volume against the disk's own file system, in one run: what a reader with
little memory gains, and that fsync and updates in place lose nothing."""

import argparse
import os
import platform
import sqlite3
import time

from bench import (Results, bench, common_options, fio, in_turn, lay_out, need,
                   need_memory, settle, to_bytes)
from cgroup import group, inside
from mafs import Volume
from usage import calm
from work import Skip, run

N_READ = 4  # files, each of --size
SIDES = ("disk", "mafs")


def forget(paths):
    """The kernel's cache has none of these."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def places(work, name, options, **volume):
    """A directory on the disk, and a mount over one beside it."""
    disk = work.join(name + ".disk")
    os.mkdir(disk)
    return disk, Volume(work.sub(name), options=calm(work), **volume)


# ---- a reader under memory pressure ----

def read_in_group(results, options, number, side, names, procs):
    def call(command, **more):
        said = inside(procs, command, timeout=3600, **more)
        if said.returncode:
            raise AssertionError(f"{side}: {said.stderr[-500:]}")
        return said.stdout

    results.add("4k random read, reader of 1 GiB", side,
                fio(":".join(names), options, "randread", "4k", call=call,
                    more=(f"--randseed={number}",)))


def measure_reader(results, options, work):
    """Beside the disk a plain tmpfs, which nothing can be faster than."""
    size = to_bytes(options.size)
    need_memory(2 * N_READ * size + (2 << 30))
    tmpfs = work.join("tmpfs")
    os.mkdir(tmpfs)
    run(["mount", "-t", "tmpfs", "-o", f"size={N_READ * size}", "none", tmpfs])
    disk, vol = places(work, "reader", options,
                       memory=f"tmpfs:{2 * N_READ * size}")
    names = {"disk": [f"{disk}/{i}" for i in range(N_READ)],
             "mafs": [f"{vol.mnt}/{i}" for i in range(N_READ)],
             "tmpfs": [f"{tmpfs}/{i}" for i in range(N_READ)]}
    for i in range(N_READ):
        lay_out(names["disk"][i], options)
        lay_out(names["tmpfs"][i], options)
        lay_out(f"{vol.dir}/{i}", options)
    vol.mount()
    vol.pull(vol.mnt)
    forget(names["disk"])
    for number in range(options.rounds):
        for side in in_turn(number, *names):
            with group(size) as procs:
                read_in_group(results, options, number, side, names[side],
                              procs)
            forget(names["disk"])
    vol.umount()
    results.ratio("4k random read, reader of 1 GiB", "mafs", "disk", "/s", 7)
    results.ratio("4k random read, reader of 1 GiB", "mafs", "tmpfs", "/s")


# ---- fsync ----

def transactions_per_s(path, options, mode):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA journal_mode={mode}")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT)")
    begin = time.monotonic()
    for i in range(options.transactions):
        database.execute("INSERT INTO t VALUES (?, ?)", (i, f"row {i}"))
    seconds = time.monotonic() - begin
    database.close()
    for name in os.listdir(os.path.dirname(path)):
        if name.startswith(os.path.basename(path)):
            os.unlink(os.path.join(os.path.dirname(path), name))
    return options.transactions / seconds


def measure_fsync(results, options, work):
    disk, vol = places(work, "fsync", options, memory="tmpfs:2G")
    for top in (disk, vol.dir):
        lay_out(f"{top}/cold", options)
    vol.mount()
    top = {"disk": disk, "mafs": vol.mnt}
    rows = []
    for mode in ("delete", "wal"):
        rows.append(f"sqlite, transactions of a row, {mode}")
        for number in range(options.rounds):
            for side in in_turn(number, *SIDES):
                settle()
                results.add(rows[-1], side,
                            transactions_per_s(f"{top[side]}/sqlite", options,
                                               mode))
    for name in ("cold", "new"):
        rows.append(f"4k random write, fsync each, {name} file")
        for number in range(options.rounds):
            for side in in_turn(number, *SIDES):
                path = f"{top[side]}/{name}"
                if name == "new":
                    lay_out(path, options)
                settle()
                results.add(rows[-1], side,
                            fio(path, options, "randwrite", "4k",
                                more=("--fsync=1",)))
                if name == "new":
                    os.unlink(path)
    vol.umount()
    for row in rows:
        results.ratio(row, "mafs", "disk", "/s", 0.9)


# ---- in place ----

def measure_in_place(results, options, work):
    """Stores through a mapping, msync after every 64 MiB of them."""
    what = "4k random store, mapped, msync"
    disk, vol = places(work, "in_place", options, memory="tmpfs:2G")
    for top in (disk, vol.dir):
        lay_out(f"{top}/file", options)
    vol.mount()
    for number in range(options.rounds):
        for side, top in in_turn(number, ("disk", disk), ("mafs", vol.mnt)):
            settle()
            results.add(what, side,
                        fio(f"{top}/file", options, "randwrite", "4k",
                            engine="mmap", more=("--fsync=16384",)))
    vol.umount()
    results.ratio(what, "mafs", "disk", "/s", 0.9)


PARTS = {"reader": measure_reader, "fsync": measure_fsync,
         "in_place": measure_in_place}


def measure(work, options):
    need("fio")
    if options.disk:
        work.disk("fresh", options.disk, options.disk_size)
        work = work.sub("fresh/top")
    results, facts = Results(), {"kernel": platform.release()}
    facts["file system"] = run(["findmnt", "-nT", work.join(""), "-o",
                                "FSTYPE,OPTIONS"]).stdout.strip()
    for name in options.only or PARTS:
        try:
            PARTS[name](results, options, work)
        except Skip as skip:
            facts[f"not measured: {name}"] = str(skip)
    return results.show(options, facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1G", help="of each file")
    parser.add_argument("--seconds", type=int, default=10,
                        help="of each timed job")
    parser.add_argument("--transactions", type=int, default=20000)
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--disk", choices=("ext4", "xfs", "btrfs"),
                        help="a fresh one on a loop device; else where "
                             "temporary files are")
    parser.add_argument("--disk-size", default="16G")
    common_options(parser)
    bench(measure, parser.parse_args())


if __name__ == "__main__":
    main()
