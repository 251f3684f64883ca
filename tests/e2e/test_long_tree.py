#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debian's kernel source through the mount: unpacked, committed, a C project
built on it, databases, linkers, moved and deleted; compared with plain ext4.

ctest: labels=long timeout=7200
"""

import os
import sys

os.environ["MAFS_TEST_LONG"] = "1"
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from runner import main, needs
from sources import ROOT, linux_source
from test_tree import compare
from work import run
from workload import Workload, at_one_place


def steps(work, top, archive):
    project = work.join("project.git")  # the same commit on both sides
    if not os.path.exists(project):
        run(["git", "-c", "safe.directory=*", "clone", "-q", "--bare", ROOT,
             project])
    with at_one_place(top, work.join("here")) as here:
        load = Workload(here, work.join("home"), archive)
        load.unpack("tree")
        load.git("tree")
        load.build_project(project, "project")
        load.build_small("small")
        load.sqlite("db")
        kernel, = (name for name in os.listdir(f"{here}/tree")
                   if name.startswith("linux"))
        load.move_and_delete(f"tree/{kernel}")


@needs("git", "gcc", "sqlite3", "cmake", "ninja")
def test_linux_source(work):
    compare(work, linux_source(), steps, "tmpfs:2G")


if __name__ == "__main__":
    main()
