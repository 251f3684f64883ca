#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The copy path: memory volumes on a memfd and on a file in a tmpfs against
libfuse's own passthrough_ll over a tmpfs, all with direct-io over io_uring,
with fio, in one run."""

import argparse
import contextlib
import os
import platform
import subprocess

from bench import (Results, bench, common_options, fio, in_turn, io_uring,
                   lay_out, need, need_memory, settle, to_bytes)
from memory import MemoryVolume
from sources import CACHE
from work import Skip, mounts, run, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = (("1M sequential read", "read", "1M"),
        ("4k random read", "randread", "4k"),
        ("1M sequential write", "write", "1M"),
        ("4k random write", "randwrite", "4k"))
NEW = "1M write, new file"
TARGET = 1.0


def example():
    done = run([f"{HERE}/libfuse_example.sh", "passthrough_ll", CACHE],
               check=False)
    if done.returncode:
        raise Skip(done.stdout.strip() or done.stderr.strip())
    return done.stdout.strip()


@contextlib.contextmanager
def passthrough_ll(work, options, allowed):
    """Its mount, over a tmpfs of its own."""
    below, point = work.join("below"), work.join("libfuse")
    os.mkdir(below)
    os.mkdir(point)
    run(["mount", "-t", "tmpfs", "-o", f"size={room(options)}", "none", below])
    words = f"source={below},cache=never,timeout=86400"
    # A session of its own, as mafs-fused has: the scheduler counts by them.
    daemon = subprocess.Popen([example(), "-f", "-o",
                               words + (",io_uring" if allowed else ""),
                               point], start_new_session=True)
    try:
        wait_for(lambda: any(at == point for at, _, _ in mounts()), 10,
                 "passthrough_ll")
        yield point
    finally:
        run(["umount", point])
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()


def room(options):
    """For the file that stays and a new one, the log, and what is kept back
    for it."""
    return to_bytes(options.size) * 9 // 4


def volume(work, options, kind, allowed):
    place = work.sub(kind)
    if kind == "file":
        run(["mount", "-t", "tmpfs", "-o", "size=100%", "none", place.path])
    return MemoryVolume(place, kind=kind, size=f"{room(options) >> 20}M",
                        options="io_uring" if allowed else "no_io_uring")


def measure_in_place(results, options, places):
    for number in range(options.rounds):
        for what, rw, bs in JOBS:
            for n_jobs in (1, 2):
                for side in in_turn(number, *places):
                    results.add(named(what, n_jobs), side,
                                fio(f"{places[side]}/file", options, rw, bs,
                                    n_jobs=n_jobs))


def measure_new_files(results, options, places):
    for number in range(options.rounds):
        for side in in_turn(number, *places):
            path = f"{places[side]}/new"
            results.add(NEW, side, fio(path, options, "write", "1M",
                                       whole=True))
            os.unlink(path)
            settle()


def named(what, n_jobs):
    return f"{what}, {n_jobs} job{'s' if n_jobs > 1 else ''}"


def requests_of(vol, options):
    """How many requests 1M reads and writes of the whole file are."""
    counts = {}
    for what, rw in (("read", "read"), ("write", "write")):
        before = vol.status()["upcalls"][what]
        fio(f"{vol.mnt}/file", options, rw, "1M", whole=True)
        counts[what] = vol.status()["upcalls"][what] - before
    return counts


def measure(work, options):
    need("fio")
    need_memory(room(options) * 3)
    results, facts = Results(), {"kernel": platform.release()}
    with io_uring() as allowed, contextlib.ExitStack() as stack:
        allowed = allowed and not options.dev_fuse
        places = {"libfuse": stack.enter_context(
            passthrough_ll(work, options, allowed))}
        volumes = {kind: volume(work, options, kind, allowed).mount()
                   for kind in ("memfd", "file")}
        for kind, vol in volumes.items():
            places[kind] = vol.mnt
            stack.callback(vol.umount)
            facts[f"io_uring, {kind}"] = vol.status()["io_uring"]
        for place in places.values():
            lay_out(f"{place}/file", options)
        measure_in_place(results, options, places)
        measure_new_files(results, options, places)
        for kind, vol in volumes.items():
            facts[f"requests for {options.size}, {kind}"] = \
                requests_of(vol, options)

    for what, _, bs in JOBS:
        for n_jobs in (1, 2):
            for kind in volumes:
                results.ratio(named(what, n_jobs), kind, "libfuse",
                              "B/s" if bs == "1M" else "/s", TARGET)
    for kind in volumes:
        results.ratio(NEW, kind, "libfuse", "B/s", TARGET)
    return results.show(options, facts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1G")
    parser.add_argument("--seconds", type=int, default=3,
                        help="of each timed job")
    parser.add_argument("--dev-fuse", action="store_true",
                        help="without io_uring")
    common_options(parser)
    bench(measure, parser.parse_args())


if __name__ == "__main__":
    main()
