#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mafs fsck, log and logplay of memory volumes: mounted, and at rest."""

import json
import os
import random
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, needs
from tree import block, write_file
from work import run, wait_for

CORRECTED, UNCORRECTED, ERROR, USAGE = 1, 4, 8, 16


def fsck(*args, code=0):
    done = run(["mafs", "fsck", "--json", *args], check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout,
                                     done.stderr)
    return json.loads(done.stdout) if done.stdout else None


def fill(mnt, count=40):
    """Directories, links, files with holes, extents in pieces."""
    os.makedirs(mnt + "/dir/sub")
    for i in range(count):
        write_file(f"{mnt}/dir/{i}", block(i, 70000 * (i % 4)))
    for i in range(0, count, 2):
        os.unlink(f"{mnt}/dir/{i}")
    with open(mnt + "/dir/sparse", "wb") as sparse:
        sparse.seek(1 << 20)
        sparse.write(b"behind a hole")
    write_file(mnt + "/dir/large", block(7, 3 << 20))
    os.link(mnt + "/dir/large", mnt + "/dir/sub/again")
    os.symlink("large", mnt + "/dir/link")
    os.mkfifo(mnt + "/dir/fifo")
    os.setxattr(mnt + "/dir/large", "user.note", b"a\0b")


def tree_of(top):
    """{path: content} of the shadow's files. A checkpoint raises the
    superblock's generation twice; who follows may have seen it in between."""
    found = {}
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as source:
                text = source.read()
            found[os.path.relpath(path, top)] = re.sub(
                rb"generation: \d+", b"", text)
    return found


@needs("mafs", "root")
def test_mounted_and_at_rest_it_finds_the_same(work):
    vol = MemoryVolume(work, "file", size="32M", unit="4K").mount()
    try:
        fill(vol.mnt)
        live = fsck("--extents", vol.mnt)
        assert live["live"] and live["findings"] == [], live["findings"]
        vol.umount()
        rest = fsck("--extents", vol.spec)
        assert not rest["live"] and rest["findings"] == []
        assert rest["files"] == live["files"]
        for key in ("files", "directories", "others", "bytes"):
            assert rest["counts"][key] == live["counts"][key], key
        by_path = {file["path"]: file for file in rest["files"]}
        large = by_path.get("/dir/large") or by_path["/dir/sub/again"]
        assert large["size"] == 3 << 20
        assert any("hole" in extent
                   for extent in by_path["/dir/sparse"]["extents"])
        assert [d["free_runs"] > 0 for d in rest["devices"]] == [True, True]
        text = run(["mafs", "fsck", "--extents", vol.spec]).stdout
        assert "no errors" in text and "/dir/sparse" in text
    finally:
        vol.discard()


@needs("mafs", "root")
def test_beside_a_busy_mount_nothing_is_found(work):
    vol = MemoryVolume(work, "file", size="32M", unit="4K",
                       mkfs=("--checkpoint-after", "64K")).mount()
    rng = random.Random(5)
    try:
        for i in range(8):
            for j in range(60):
                path = f"{vol.mnt}/{rng.randrange(50)}"
                if rng.random() < 0.4 and os.path.exists(path):
                    os.unlink(path)
                else:
                    write_file(path, block(j, rng.randrange(60000)))
            assert fsck(vol.spec)["findings"] == []
        vol.umount()
        assert fsck(vol.spec)["findings"] == []
    finally:
        vol.discard()


@needs("mafs", "root")
def test_a_killed_daemon_leaves_a_clean_volume(work):
    vol = MemoryVolume(work, "file", size="32M").mount()
    try:
        fill(vol.mnt)
        vol.kill()
        assert fsck(vol.spec)["counts"]["errors"] == 0
        run(["mafs", "fsck", "--repair", vol.spec], check=False)
        assert fsck(vol.spec)["counts"]["errors"] == 0
    finally:
        vol.discard()


@needs("mafs")
def test_exit_codes_are_those_of_fsck(work):
    path = work.join("a")
    run(["mafs", "mkfs", f"file:{path},8M"])
    assert fsck(path)["exit_code"] == 0
    with open(path, "r+b") as image:
        image.seek(300)
        image.write(b"x")
    assert fsck(path, code=UNCORRECTED)["counts"]["errors"] == 1
    told = fsck("--repair", path, code=CORRECTED)
    assert told["counts"]["mended"] == 1 and told["findings"] == []
    assert fsck(path)["findings"] == []
    # By the name that fsck(8) calls it, and with its option.
    program = work.join("fsck.mafs")
    os.symlink(shutil.which("mafs"), program)
    with open(path, "r+b") as image:
        image.seek(300)
        image.write(b"x")
    assert run([program, "-a", path], check=False).returncode == CORRECTED
    assert run([program, path], check=False).returncode == 0
    with open(path, "r+b") as image:
        for offset in (300, 4096 + 300):
            image.seek(offset)
            image.write(b"x")
    fsck("--repair", path, code=UNCORRECTED)
    fsck(work.join("none"), code=ERROR)
    fsck("--colour", path, code=USAGE)
    fsck("--salvage", work.join("s"), path, code=USAGE)


@needs("mafs", "root")
def test_logplay_follows_a_mount(work):
    vol = MemoryVolume(work, "file", size="32M", unit="4K",
                       mkfs=("--checkpoint-after", "64K")).mount()
    kept, now = work.join("kept"), work.join("now")
    player = None
    rng = random.Random(6)
    try:
        fill(vol.mnt)
        player = subprocess.Popen(["mafs", "logplay", "--shadow", kept,
                                   "--follow", vol.mnt])
        wait_for(lambda: os.path.exists(kept + "/dir/large"), 20,
                 "the first filling")
        for i in range(300):
            path = f"{vol.mnt}/dir/{rng.randrange(60)}"
            if rng.random() < 0.3 and os.path.exists(path):
                os.unlink(path)
            elif rng.random() < 0.2 and os.path.exists(path):
                os.rename(path, f"{vol.mnt}/dir/{rng.randrange(60)}")
            else:
                write_file(path, block(i, rng.randrange(30000)))
        os.rename(vol.mnt + "/dir", vol.mnt + "/moved")
        os.sync()

        def is_kept():
            shutil.rmtree(now, ignore_errors=True)
            run(["mafs", "logplay", "--shadow", now, vol.spec])
            try:
                return tree_of(kept) == tree_of(now)
            except FileNotFoundError: # it is at work
                return False

        wait_for(is_kept, 30, "the shadow to follow")
        assert os.path.exists(kept + "/moved/large")
        fsck("--shadow", now, vol.spec)
        player.terminate()
        assert player.wait(20) == 0
        os.unlink(now + "/moved/link")
        told = fsck("--shadow", now, vol.spec, code=UNCORRECTED)
        assert "/moved/link" in told["findings"][0]["what"]
        vol.umount()
    finally:
        if player:
            player.kill()
        vol.discard()


@needs("mafs", "root")
def test_log_of_a_mount_is_printed(work):
    vol = MemoryVolume(work, "file", size="32M").mount()
    try:
        fill(vol.mnt, 4)
        text = run(["mafs", "log", vol.mnt]).stdout
        lines = [json.loads(line) for line in
                 run(["mafs", "log", "--json", vol.spec]).stdout.splitlines()]
        kinds = {line["type"] for line in lines}
        assert {"node", "name", "unname", "extents", "xattr",
                "device-add"} <= kinds, kinds
        assert 'name "sparse"' in text and 'target "large"' in text
        assert any(line.get("value_hex") == "610062" for line in lines)
        vol.umount()
    finally:
        vol.discard()


if __name__ == "__main__":
    main()
