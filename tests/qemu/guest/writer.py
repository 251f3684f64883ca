#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program that is at work when the power goes, in a guest.

usage: writer.py write TOP WHAT SEED TAG
       writer.py verify TOP WHAT SEED N

WHAT is a function of e2e/test_kill_writer.py: what is done. write prints "TAG
N" after each operation: so many have returned. verify: N had been told; a few
more may have returned.
"""

import os
import random
import sys

sys.path[:0] = ["/mafs/tests/e2e", "/mafs/tests/harness"]
import crash
import test_kill_writer

N_UNTOLD = 16


def write(top, generate, seed, tag):
    real = crash.Real(top)
    for i, operation in enumerate(generate(random.Random(seed))):
        real.apply(operation)
        os.write(1, f"{tag} {i + 1}\n".encode())


def verify(top, generate, seed, n):
    first = None
    for done in range(int(n), int(n) + N_UNTOLD):
        try:
            crash.verify(top, generate(random.Random(seed)), done)
            return
        except AssertionError as error:
            first = first or error
    raise first


_, command, top, what, seed, last = sys.argv
{"write": write, "verify": verify}[command](
    top, getattr(test_kill_writer, what), int(seed), last)
