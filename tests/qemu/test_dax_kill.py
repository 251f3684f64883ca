#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The power cut at random instants under a writing load on /dev/dax0.0: what
had been told over the line is there after the next boot, and fsck finds
nothing wrong.

ctest: labels=root,long timeout=7200
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from guest import Guest, Image

ROUNDS = int(os.environ.get("MAFS_TEST_ROUNDS", 50))
SEED = int(os.environ.get("MAFS_TEST_SEED", time.time_ns() & 0xffff))
WHAT = ("writes", "renames", "exchanges", "recreations", "sparse", "rewrites",
        "replacements", "directories")
N_WRITERS = 3
MNT = "/mnt/mem"


def up(guest):
    guest.start()
    guest.run(f"/mafs/dax 4K 2>&1 && mkdir -p {MNT}")
    return guest


def mount(guest):
    guest.run(f"mafs mount /dev/dax0.0 {MNT} 2>&1")


class Round:
    """Writers, and how far each is known to have come."""

    def __init__(self, number, rng):
        self.top = f"{MNT}/round-{number}"
        self.rng = rng
        self.writers = [(f"{self.top}/{k}", rng.choice(WHAT),
                         rng.randrange(1 << 30)) for k in range(N_WRITERS)]
        self.told = [0] * N_WRITERS

    def _hear(self, line):
        k, _, n = line.partition(" ")
        if not (k.isdigit() and n.isdigit()):
            raise AssertionError(f"a writer said: {line}")
        self.told[int(k)] = int(n)

    def write_until_killed(self, guest):
        script = "".join(
            f"mkdir -p {top}\n/mafs/writer.py write {top} {what} {seed} {k} "
            "2>&1 &\n" for k, (top, what, seed) in enumerate(self.writers))
        lines = guest.tell(script + "wait\n")
        while not all(self.told):
            self._hear(next(lines))
        end = time.monotonic() + self.rng.uniform(0, 6)
        while time.monotonic() < end:
            self._hear(next(lines))
        for line in guest.kill():
            self._hear(line)

    def verify(self, guest):
        for (top, what, seed), n in zip(self.writers, self.told):
            guest.run(f"/mafs/writer.py verify {top} {what} {seed} {n} 2>&1")
        guest.run(f"rm -r {self.top}")


def main():
    rng = random.Random(SEED)
    n_told = 0
    print(f"seed {SEED}", flush=True)
    with Image("sid") as image:
        guest = Guest(image, mib=512, nvdimm=image.memory_device(128))
        up(guest).run("mafs mkfs --alloc-unit 4K --log-size 64K "
                      "--checkpoint-after 64K /dev/dax0.0")
        mount(guest)
        for i in range(ROUNDS):
            cut = Round(i, rng)
            cut.write_until_killed(guest)
            if rng.random() < 0.2:  # once more, in the recovery
                up(guest).tell(f"mafs mount /dev/dax0.0 {MNT} 2>&1")
                time.sleep(rng.uniform(0, 1))
                guest.kill()
            mount(up(guest))
            guest.run("mafs fsck /dev/dax0.0 2>&1")
            cut.verify(guest)
            n_told += sum(cut.told)
            print(f"ok   round {i}: {cut.told}", flush=True)
        guest.run(f"mafs umount {MNT} && mafs fsck /dev/dax0.0 2>&1")
    print(f"kill: rounds={ROUNDS} told={n_told}")


if __name__ == "__main__":
    main()
