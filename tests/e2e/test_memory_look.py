#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the bytes of a memory volume's files are, asked while it is mounted."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB
from memory import MemoryVolume
from runner import main
from tree import block, write_file
from work import run


def ask(*command, code=0):
    done = run(["mafs", *command], check=False)
    assert done.returncode == code, (command, done.returncode, done.stdout,
                                     done.stderr)
    return done.stderr if code else done.stdout


def ask_json(*command):
    return json.loads(ask(*command, "--json"))


def filled(work):
    """d/f: a MiB, a hole of one, a MiB; d/link; d/empty."""
    vol = MemoryVolume(work).mount()
    os.mkdir(f"{vol.mnt}/d")
    with open(f"{vol.mnt}/d/f", "wb") as out:
        out.write(block(1, MIB))
        out.seek(2 * MIB)
        out.write(block(2, MIB))
    os.symlink("f", f"{vol.mnt}/d/link")
    write_file(f"{vol.mnt}/d/empty", b"")
    return vol


def test_extents_are_where_the_bytes_lie(work):
    vol = filled(work)
    devices = {one["uuid"]: one["path"] for one in vol.status()["devices"]}
    file = ask_json("stat", f"{vol.mnt}/d/f")
    assert file["tiers"] == ["memory"] and file["size_bytes"] == 3 * MIB, file
    assert file["memory_bytes"] >= 2 * MIB, file
    vol.sync()
    content = bytearray(3 * MIB)
    for extent in file["extents"]:
        with open(devices[extent["device_uuid"]], "rb") as device:
            device.seek(extent["offset"])
            at, n = extent["file_offset"], extent["length"]
            content[at:at + n] = device.read(min(n, 3 * MIB - at))
    assert content == block(1, MIB) + bytes(MIB) + block(2, MIB)
    text = ask("stat", f"{vol.mnt}/d/f")
    assert str(file["extents"][-1]["offset"]) in text, text
    vol.umount()


def test_files_are_listed_and_counted(work):
    vol = filled(work)
    names = {one["name"]: one for one in
             ask_json("ls", f"{vol.mnt}/d")["entries"]}
    assert sorted(names) == ["empty", "f", "link"], names
    assert names["f"]["tier"] == "memory", names
    assert "memory" in ask("which", f"{vol.mnt}/d/f")
    assert "d" in ask("tree", vol.mnt)
    totals = ask_json("du", vol.mnt)
    assert totals["memory"] == {"n_files": 2, "bytes": 3 * MIB}, totals
    with open(f"{vol.mnt}/d/f", "rb"):
        assert ask_json("stat", f"{vol.mnt}/d/f")["n_open"] == 1
    vol.umount()


def test_a_client_tells_the_same(work):
    vol = filled(work)
    client = vol.client(work.join("client")).mount()
    ours = ask_json("stat", f"{vol.mnt}/d/f")
    theirs = ask_json("stat", f"{client.mnt}/d/f")
    assert theirs["extents"] == ours["extents"]
    client.umount()
    vol.umount()


def test_there_is_nothing_to_move(work):
    vol = filled(work)
    for command in ("pull", "push", "evict", "pin", "unpin"):
        said = ask(command, f"{vol.mnt}/d/f", code=1)
        assert "memory volume" in said and "{" not in said, said
    said = ask("top", "--once", vol.mnt, code=1)
    assert "memory volume" in said and "/v1" not in said, said
    assert "no such" in ask("stat", f"{vol.mnt}/none", code=1).lower()
    vol.umount()


if __name__ == "__main__":
    main()
