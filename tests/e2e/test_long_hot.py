#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""4k random writes into a hot file against tmpfs, same run; and what goes down
after them.

ctest: labels=long timeout=1800
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared
from runner import main, needs, scale
from tree import block, sha256, write_file
from usage import calm
from work import run

SIZE = scale(256, 1024) * MIB
CONTENT = block(1, 16 * MIB) * (SIZE // (16 * MIB))
SECONDS = scale(3, 20)
N_TURNS = scale(2, 5)


def writes_per_s(path, *more):
    said = run(["fio", "--name=job", f"--filename={path}", "--rw=randwrite",
                "--bs=4k", "--ioengine=psync", f"--size={SIZE}",
                "--overwrite=1", "--norandommap", "--output-format=json",
                *(more or ("--time_based", f"--runtime={SECONDS}"))])
    return json.loads(said.stdout)["jobs"][0]["write"]["iops"]


@needs("mafs", "fio")
def test_random_writes_into_a_hot_file(work):
    tmpfs = work.join("tmpfs")
    os.mkdir(tmpfs)
    run(["mount", "-t", "tmpfs", "-o", f"size={2 * SIZE}", "none", tmpfs])
    write_file(f"{tmpfs}/f", CONTENT)
    vol = prepared(work, {"f": CONTENT}, memory=f"tmpfs:{2 * SIZE}",
                   options=f"writeback_after=1h,writeback_most=1h,{calm(work)}")
    vol.need_passthrough()
    os.setxattr(vol.mnt, "user.mafs.policy", b"hot")
    pairs = [(writes_per_s(f"{vol.mnt}/f"), writes_per_s(f"{tmpfs}/f"))
             for _ in range(N_TURNS)]
    ratio = max(ours / theirs for ours, theirs in pairs)
    print(f"4k random writes/s: hot {pairs[0][0]:.0f}, tmpfs "
          f"{pairs[0][1]:.0f}; ratio of the best turn {ratio:.2f}")
    vol.sync()
    before = vol.status()["written_back_bytes"]
    writes_per_s(f"{vol.mnt}/f", "--number_ios=1000", "--randseed=5")
    vol.sync()
    n = vol.status()["written_back_bytes"] - before
    print(f"at most {1000 * 4096} bytes changed, {n} went down")
    assert 0 < n <= 1000 * 4096
    assert sha256(f"{vol.mnt}/f") == sha256(f"{vol.dir}/f")
    vol.umount()
    assert ratio >= 0.8, pairs


if __name__ == "__main__":
    main()
