# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks have in common: one measurement at a time, medians of
interleaved rounds, a table and JSON, targets."""

import contextlib
import json
import os
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../harness"))
from mafs import programs
from work import PLAIN, Skip, Work, run

URING = "/sys/module/fuse/parameters/enable_uring"


def sanitized():
    path = shutil.which("mafs-fused")
    if PLAIN or not path:
        return False
    with open(path, "rb") as program:
        content = program.read()
    return b"__asan_init" in content or b"__tsan_init" in content


@contextlib.contextmanager
def io_uring():
    """FUSE over io_uring is allowed meanwhile; tells whether it is."""
    try:
        with open(URING) as parameter:
            before = parameter.read().strip()
        with open(URING, "w") as parameter:
            parameter.write("Y")
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with open(URING, "w") as parameter:
            parameter.write(before)


class Results:
    """Samples of named measurements; ratios against targets."""

    def __init__(self):
        self.samples, self.rows = {}, []

    def add(self, what, side, value):
        self.samples.setdefault((what, side), []).append(value)

    def median(self, what, side):
        return statistics.median(self.samples[what, side])

    def ratio(self, what, ours, theirs, unit, target=None, less=False):
        """A row of the table: our median over theirs (less: the other way,
        where less is better)."""
        a, b = self.median(what, ours), self.median(what, theirs)
        ratio = b / a if less else a / b
        good = target is None or ratio >= target
        self.rows.append({"what": what, "ours": ours, "theirs": theirs,
                          "unit": unit, "our_median": a, "their_median": b,
                          "ratio": round(ratio, 3), "target": target,
                          "good": good})
        return good

    def show(self, options, facts):
        wide = max(len(row["what"]) for row in self.rows)
        print(f"{'':{wide}}  {'':>14} {'':>14}  ratio  target")
        for row in self.rows:
            print(f"{row['what']:{wide}}  "
                  f"{row['ours'] + ' ' + number(row['our_median']):>18} "
                  f"{row['theirs'] + ' ' + number(row['their_median']):>18} "
                  f"{row['unit']:5} {row['ratio']:6.2f}  "
                  + (f"{row['target']:.2f}{'' if row['good'] else '  MISSED'}"
                     if row["target"] else ""))
        for name, value in facts.items():
            print(f"{name}: {value}")
        if options.json:
            samples = {f"{what} / {side}": values for (what, side), values
                       in self.samples.items()}
            with open(options.json, "w") as out:
                json.dump({"rows": self.rows, "facts": facts,
                           "samples": samples}, out, indent=2)
        return all(row["good"] for row in self.rows)


def number(value):
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 10 * factor or (unit == "G" and value >= factor):
            return f"{value / factor:.1f}{unit}"
    return f"{value:.3f}" if value < 100 else f"{value:.0f}"


def settle():
    """Nothing is left to be written by anybody."""
    os.sync()
    time.sleep(0.2)


def bench(measure, options):
    """measure(work, options) -> whether all targets were met; exit code."""
    reason = programs() or (sanitized() and "not with sanitizers")
    if reason:
        print(f"skip: {reason}")
        sys.exit(77)
    work = Work()
    try:
        good = measure(work, options)
    except Skip as skip:
        print(f"skip: {skip}")
        sys.exit(77)
    finally:
        work.clean()
    sys.exit(0 if good or not options.check else 1)


def common_options(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--check", action="store_true",
                        help="exit 1 when a target is missed")


def need(*names):
    for name in names:
        if not shutil.which(name):
            raise Skip(f"needs {name}")


def need_memory(n_bytes):
    with open("/proc/meminfo") as info:
        free = int(info.read().split("MemAvailable:")[1].split()[0]) << 10
    if free < n_bytes:
        raise Skip(f"needs {n_bytes >> 20} MiB of free memory")


def call(args, **more):
    return run(args, timeout=3600, **more).stdout


def in_turn(number, *sides):
    """Each round begins with another side."""
    return sides[number % len(sides):] + sides[:number % len(sides)]


def to_bytes(text):
    return int(text[:-1]) << {"M": 20, "G": 30}[text[-1]]


def lay_out(path, options):
    """A file without holes, and nothing of it left to be written."""
    megabytes = to_bytes(options.size) >> 20
    call(["dd", "if=/dev/urandom", f"of={path}", "bs=1M",
          f"count={megabytes}", "conv=fsync", "status=none"])


def fio(path, options, rw, bs, engine="psync", whole=False, n_jobs=1, more=(),
        call=call):
    """Bytes a second, or operations a second for small blocks; each job has
    its share of the file."""
    share = to_bytes(options.size) // n_jobs
    command = ["fio", "--name=job", f"--filename={path}", f"--rw={rw}",
               f"--bs={bs}", f"--ioengine={engine}", f"--size={share}",
               f"--numjobs={n_jobs}", f"--offset_increment={share}",
               "--invalidate=0", "--fallocate=none", "--iomem_align=4k",
               "--output-format=json", "--group_reporting",
               "--randrepeat=0", "--norandommap", *more]
    if not whole:
        command += ["--time_based", f"--runtime={options.seconds}"]
    said = call(command, cwd=os.path.dirname(path.split(":")[0]))
    job = json.loads(said[said.index("{"):])["jobs"][0]
    side = job["read" if "read" in rw else "write"]
    return side["bw_bytes"] if bs == "1M" else side["iops"]
