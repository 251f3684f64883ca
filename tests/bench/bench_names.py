#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names: create, stat and unlink of many files, and unpacking the kernel
source, on mafs and on Debian's mergerfs over the same disk, in one run."""

import argparse
import os
import time

from bench import Results, bench, call, common_options, in_turn, need, settle
from mafs import Volume
from sources import linux_tar
from work import run

PHASES = ("create", "stat", "unlink")


def mergerfs(work):
    """Its mount point, over a directory on the same disk."""
    need("mergerfs")
    branch, point = work.join("branch"), work.join("mergerfs")
    os.mkdir(branch)
    os.mkdir(point)
    run(["mergerfs", "-o", "allow_other,use_ino", branch, point])
    return point


def measure_names(results, options, program, places):
    for number in range(options.rounds):
        for side in in_turn(number, *places):
            top = f"{places[side]}/round-{number}"
            for i in range(20):
                os.makedirs(f"{top}/{i}")
            for phase in PHASES:
                settle()
                results.add(f"{phase} {options.count} files", side, float(
                    call([program, phase, top, options.count])))
            call(["rm", "-r", top])


def measure_unpack(results, options, places):
    archive = linux_tar()
    for number in range(options.unpack_rounds):
        for side in in_turn(number, *places):
            target = f"{places[side]}/unpacked"
            os.mkdir(target)
            with open(archive, "rb") as source:  # in the page cache
                while source.read(1 << 24):
                    pass
            settle()
            begin = time.monotonic()
            call(["tar", "-C", target, "-xf", archive])
            results.add("unpack linux-source", side, time.monotonic() - begin)
            settle()
            call(["rm", "-rf", target])
            settle()


def measure(work, options):
    need("cc")
    program = work.join("names")
    call(["cc", "-O2", "-D_GNU_SOURCE", "-o", program,
          os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "names.c")])
    vol = Volume(work.sub("volume"), memory=options.memory).mount()
    places = {"mergerfs": mergerfs(work), "mafs": vol.mnt}
    results = Results()
    measure_names(results, options, program, places)
    for phase in PHASES:
        results.ratio(f"{phase} {options.count} files", "mafs", "mergerfs",
                      "s", 1.0, less=True)
    if options.unpack_rounds:
        measure_unpack(results, options, places)
        results.ratio("unpack linux-source", "mafs", "mergerfs", "s", 1.0,
                      less=True)
    run(["umount", places["mergerfs"]])
    vol.umount()
    return results.show(options, {"memory": options.memory})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--unpack-rounds", type=int, default=3)
    parser.add_argument("--memory", default="tmpfs:4G")
    common_options(parser)
    bench(measure, parser.parse_args())


if __name__ == "__main__":
    main()
