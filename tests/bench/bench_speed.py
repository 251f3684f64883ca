#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes: a hot file on mafs against a plain tmpfs, and writes into an existing
cold file against the disk's own file system, with fio, in one run."""

import argparse
import os
import platform

from bench import (Results, bench, common_options, fio, in_turn, io_uring,
                   lay_out, need, need_memory, settle, to_bytes)
from mafs import Volume
from work import PLAIN, run


READS = (("1M sequential read", "read", "1M", "psync"),
         ("4k random read", "randread", "4k", "psync"),
         ("4k random read, mmap", "randread", "4k", "mmap"))


def measure_reads(results, options, tmpfs, vol):
    """Hot reads; how many of them reached the daemon."""
    hot = {"tmpfs": f"{tmpfs}/hot", "mafs": f"{vol.mnt}/hot"}
    before = 0 if PLAIN else vol.upcalls("read")
    for number in range(options.rounds):
        for what, rw, bs, engine in READS:
            for side in in_turn(number, "tmpfs", "mafs"):
                results.add(what, side, fio(hot[side], options, rw, bs,
                                            engine=engine))
    return 0 if PLAIN else vol.upcalls("read") - before


def measure_new_files(results, options, what, places):
    """1M writes of a whole new file; removed and settled each time."""
    for number in range(options.rounds):
        for side in in_turn(number, *places):
            path = f"{places[side]}/new"
            results.add(what, side, fio(path, options, "write", "1M",
                                        whole=True))
            os.unlink(path)
            settle()


def measure_cold_writes(results, options, disk, vol):
    cold = {"disk": f"{disk}/cold", "mafs": f"{vol.mnt}/cold"}
    for number in range(options.rounds):
        for side in in_turn(number, "disk", "mafs"):
            settle()
            results.add("4k random write, cold file", side,
                        fio(cold[side], options, "randwrite", "4k"))
    settle()


def volume(work, options, name, more):
    """A volume whose memory holds the hot file and a new one, with a quarter
    of it, from where on writers wait for write-back, larger than that."""
    megabytes = (to_bytes(options.size) >> 20) * 5
    return Volume(work.sub(name), memory=f"tmpfs:{megabytes}M", options=more)


def measure(work, options):
    need("fio")
    need_memory(to_bytes(options.size) * 5)
    results, facts = Results(), {"kernel": platform.release()}
    tmpfs, disk = work.join("tmpfs"), work.join("disk")
    os.mkdir(tmpfs)
    os.mkdir(disk)
    run(["mount", "-t", "tmpfs", "-o",
         f"size={to_bytes(options.size) * 5 // 2}", "none", tmpfs])
    lay_out(f"{tmpfs}/hot", options)
    lay_out(f"{disk}/cold", options)

    with io_uring() as allowed:
        vol = volume(work, options, "uring", "io_uring" if allowed else "")
        for name in ("hot", "cold"):
            lay_out(f"{vol.dir}/{name}", options)
        vol.mount()
        vol.make_hot(f"{vol.mnt}/hot")
        settle()
        if not PLAIN:
            facts["io_uring"] = vol.status().get("io_uring")
            facts["passthrough"] = vol.status().get("passthrough")
        upcalls = measure_reads(results, options, tmpfs, vol)
        facts["read upcalls during the reads"] = upcalls
        measure_cold_writes(results, options, disk, vol)
        measure_new_files(results, options, "1M write, new file",
                          {"tmpfs": tmpfs, "mafs": vol.mnt})
        vol.umount()

    plain = volume(work, options, "plain", "no_io_uring").mount()
    measure_new_files(results, options, "1M write, new file, /dev/fuse",
                      {"tmpfs": tmpfs, "mafs": plain.mnt})
    plain.umount()

    for what, _, bs, _ in READS:
        results.ratio(what, "mafs", "tmpfs", "B/s" if bs == "1M" else "/s",
                      0.95)
    results.ratio("1M write, new file", "mafs", "tmpfs", "B/s",
                  0.45 if facts.get("io_uring") else None)
    results.ratio("1M write, new file, /dev/fuse", "mafs", "tmpfs", "B/s")
    results.ratio("4k random write, cold file", "mafs", "disk", "/s", 0.9)
    return results.show(options, facts) and upcalls == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="2G")
    parser.add_argument("--seconds", type=int, default=4,
                        help="of each timed job")
    common_options(parser)
    bench(measure, parser.parse_args())


if __name__ == "__main__":
    main()
