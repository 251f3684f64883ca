#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The commands that show and change where bytes are."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from mafs import MIB, prepared, slow_to_pull
from runner import main, needs
from tree import block, write_file
from work import Child, run


def mafs(*args, code=0):
    done = run(["mafs", *args], check=False)
    assert done.returncode == code, (args, done.returncode, done.stdout,
                                     done.stderr)
    return done


def as_json(*args, code=0):
    return json.loads(mafs(args[0], "--json", *args[1:], code=code).stdout)


def sample(work, **options):
    """Two cold files of 1 MiB and 1000 bytes, one below a directory."""
    return prepared(work, {"d/big": block(1, MIB), "small": block(2, 1000)},
                    **options)


@needs("mafs")
def test_which_says_where_the_newest_bytes_are(work):
    vol = sample(work)
    write_file(f"{vol.mnt}/new", b"x")
    mafs("pull", f"{vol.mnt}/small")
    files = [f"{vol.mnt}/{name}" for name in ("new", "small", "d/big")]
    lines = [line.split() for line in mafs("which", *files).stdout.split("\n")]
    assert lines[:3] == [["memory", "dirty", files[0]],
                         ["memory+disk", "clean", files[1]],
                         ["disk", "cold", files[2]]], lines
    said = as_json("which", *files)
    assert [f["tiers"] for f in said] == [["memory"], ["memory", "disk"],
                                          ["disk"]], said
    done = mafs("which", files[1], f"{vol.mnt}/none", code=1)
    assert files[1] in done.stdout and "none" in done.stderr, done
    vol.umount()


@needs("mafs")
def test_ls_shows_names_of_any_bytes_with_their_tier(work):
    vol = sample(work)
    odd = "o\n\udcff"
    write_file(f"{vol.mnt}/{odd}", b"x")
    os.symlink("small", f"{vol.mnt}/link")
    entries = {entry["name"]: entry
               for entry in as_json("ls", vol.mnt)["entries"]}
    assert set(entries) == {"d", "small", "link", "o\n\ufffd"}, entries
    assert bytes.fromhex(entries["o\n\ufffd"]["name_hex"]) == b"o\n\xff"
    assert entries["d"]["type"] == "directory"
    assert entries["d"]["tier"] == entries["link"]["tier"] == "none"
    assert entries["small"]["tier"] == "disk"
    assert entries["small"]["size_bytes"] == 1000
    text = mafs("ls", "-l", vol.mnt).stdout
    assert "-rw-r--r--" in text and "\\xff" in text and "\n\n" not in text
    assert "memory dirty" in text, text
    one = as_json("ls", f"{vol.mnt}/d/big")["entries"]
    assert len(one) == 1 and one[0]["size_bytes"] == MIB, one
    vol.umount()


@needs("mafs")
def test_ls_of_many_names_has_each_once(work):
    vol = sample(work)
    names = {f"name-{i}" for i in range(25_000)}
    os.mkdir(f"{vol.dir}/many")
    for name in names:
        os.close(os.open(f"{vol.dir}/many/{name}", os.O_CREAT | os.O_WRONLY))
    entries = as_json("ls", f"{vol.mnt}/many")["entries"]
    listed = [entry["name"] for entry in entries]
    assert listed == sorted(names)
    vol.umount()


@needs("mafs")
def test_tree_and_du_add_up_by_tier(work):
    vol = sample(work)
    mafs("pull", f"{vol.mnt}/d")
    write_file(f"{vol.mnt}/d/new", block(3, 5000))
    os.link(f"{vol.mnt}/small", f"{vol.mnt}/d/again")
    totals = as_json("du", vol.mnt)
    assert totals["memory"] == {"n_files": 2, "bytes": MIB + 5000}, totals
    assert totals["disk"] == {"n_files": 1, "bytes": 1000}, totals
    assert totals["dirty"] == {"n_files": 1, "bytes": 5000}, totals
    both = as_json("du", f"{vol.mnt}/d", f"{vol.mnt}/small")
    assert both[1]["disk"]["bytes"] == 1000 and len(both) == 2, both
    tree = as_json("tree", vol.mnt)
    below = {entry["name"]: entry for entry in tree["entries"]}
    assert {e["name"] for e in below["d"]["entries"]} == {"big", "new",
                                                          "again"}, tree
    assert tree["totals"]["memory"]["n_files"] == 2, tree
    text = mafs("tree", vol.mnt).stdout
    assert "big  [memory clean, 1M]" in text, text
    assert "new" not in mafs("tree", "-L", "1", vol.mnt).stdout
    for depth in ("0", "-1", "x", "", "9" * 30):
        mafs("tree", "-L", depth, vol.mnt, code=2)
    vol.umount()


@needs("mafs")
def test_evict_frees_what_is_clean_and_names_what_is_not(work):
    vol = sample(work)
    mafs("pull", vol.mnt)
    write_file(f"{vol.mnt}/new", b"x")
    done = as_json("evict", vol.mnt, code=1)
    assert done["n_moved"] == 2 and done["n_kept"] == 1, done
    assert done["bytes_moved"] == MIB + 1000, done
    assert "new" in done["kept_why"] and "push" in done["kept_why"], done
    assert vol.file(f"{vol.mnt}/small")["state"] == "cold"
    assert vol.file(f"{vol.mnt}/new")["state"] == "dirty"
    vol.umount()


@needs("mafs")
def test_pinned_files_are_not_evicted_until_unpinned(work):
    vol = sample(work)
    assert "pulled 1 file" in mafs("pin", f"{vol.mnt}/d").stdout
    assert vol.status()["pinned_bytes"] == MIB
    assert "pinned" in mafs("ls", f"{vol.mnt}/d").stdout
    kept = as_json("evict", f"{vol.mnt}/d", code=1)
    assert kept["n_kept"] == 1 and "unpin" in kept["kept_why"], kept
    done = mafs("unpin", f"{vol.mnt}/d/big", code=1)
    assert "/d" in done.stderr and "above" in done.stderr, done.stderr
    assert as_json("unpin", vol.mnt)["n_unpinned"] == 1
    assert "not pinned" in mafs("unpin", vol.mnt).stdout
    mafs("evict", f"{vol.mnt}/d")
    assert vol.status()["pinned_bytes"] == 0
    vol.umount()


@needs("mafs")
def test_policy_of_a_directory_is_set_and_shown(work):
    vol = sample(work)
    mafs("pull", f"{vol.mnt}/d")
    assert "pushed 1 file" in mafs("set", f"{vol.mnt}/d", "policy=cold").stdout
    assert vol.file(f"{vol.mnt}/d/big")["policy"] == "cold"
    assert "the directory: cold" in mafs("set", f"{vol.mnt}/d").stdout
    mafs("set", f"{vol.mnt}/d", "policy=inherit")
    assert vol.file(f"{vol.mnt}/d/big")["policy"] == "tiered"
    vol.umount()


def setting(vol, name):
    return next(s["value"] for s in as_json("set", vol.mnt)["settings"]
                if s["name"] == name)


@needs("mafs")
def test_settings_change_live_and_stay(work):
    vol = sample(work)
    assert mafs("set", vol.mnt, "writeback_after=1h",
                "watermark_low=60").stdout.count("\n") == 2
    assert setting(vol, "writeback_after") == "1h"
    assert "next mount" in mafs("set", vol.mnt, "policy=lru").stdout
    assert setting(vol, "policy") == "s3fifo"
    vol.umount()
    vol.mount()
    assert setting(vol, "writeback_after") == "1h"
    assert setting(vol, "policy") == "lru"
    mafs("set", vol.mnt, "writeback_after=default")
    assert setting(vol, "writeback_after") == "5s"
    vol.umount()


@needs("mafs")
def test_flush_and_dirty_by_the_api(work):
    vol = sample(work)
    write_file(f"{vol.mnt}/new", block(3, 5000))
    command = ["curl", "-sS", "--unix-socket", f"{vol.run_dir}/control.sock"]
    dirty = json.loads(run([*command, "http://x/v1/admin/dirty"]).stdout)
    assert dirty["n_dirty"] == 1 and dirty["dirty_bytes"] == 5000, dirty
    one = dirty["files"][0]
    assert one["path"] == "new" and one["dirty_bytes"] == 5000, dirty
    assert one["n_attempts"] == 0 and one["error"] is None, dirty
    assert 0 < one["next_try_ms"] <= 30_000, dirty
    done = json.loads(run([*command, "-X", "POST",
                           "http://x/v1/admin/flush?path=new"]).stdout)
    assert done["n_moved"] == 1 and done["bytes_moved"] == 5000, done
    assert vol.file(f"{vol.mnt}/new")["state"] == "clean"
    vol.umount()


# top, and the bar of progress.


def on_terminal(args, keys=b"", columns=100):
    """What a program draws on a terminal: (exit code, bytes)."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ,
                struct.pack("HHHH", 30, columns, 0, 0))
    environment = dict(os.environ, TERM="xterm", LANG="C.UTF-8")
    process = subprocess.Popen(args, stdin=end, stdout=end, stderr=end,
                               env=environment)
    os.close(end)
    said = b""
    while process.poll() is None or select.select([terminal], [], [], 0)[0]:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            said += os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if keys and b"TO BE WRITTEN BACK" in said:
            os.write(terminal, keys)
            keys = b""
    os.close(terminal)
    return process.wait(), said


@needs("mafs")
def test_top_counts_what_goes_through_the_daemon(work):
    vol = sample(work)
    vol.need_passthrough()
    mafs("pull", f"{vol.mnt}/small")
    before = vol.status()["paths"]
    for _ in range(7):
        with open(f"{vol.mnt}/small", "rb") as source:
            assert len(source.read()) == 1000
    for _ in range(3):
        with open(f"{vol.mnt}/d/big", "rb") as source:
            source.read()
    with open(f"{vol.mnt}/new", "wb", buffering=0) as new:
        for _ in range(10):
            new.write(b"x" * 5000)
        open_now = vol.status()["paths"]["C"]["n_open"]
    after = vol.status()
    opens = {way: after["paths"][way]["n_opens"] - before[way]["n_opens"]
             for way in "MXDCK"}
    assert opens == {"M": 7, "X": 0, "D": 3, "C": 1, "K": 0}, opens
    assert open_now == 1 and after["paths"]["C"]["n_open"] == 0
    assert after["paths"]["C"]["written_bytes"] == 50_000, after["paths"]
    assert set(after["paths"]["M"]) == {"n_opens", "n_open"}
    assert (after["n_hits"], after["n_misses"]) == (7, 3), after
    top = as_json("top", "-d", "0.1", vol.mnt)
    names = [one["path"] for one in top["hottest"]]
    assert names == ["small", "d/big", "new"], names
    assert 6 < top["hottest"][0]["n_opens_lately"] <= 7, top["hottest"][0]
    assert [one["path"] for one in top["dirty"]] == ["new"], top["dirty"]
    vol.umount()


@needs("mafs")
def test_top_shows_rates_as_text(work):
    vol = sample(work)

    def use():
        while True:
            write_file(f"{vol.mnt}/new", b"x" * 100_000)
            with open(f"{vol.mnt}/d/big", "rb") as source:
                source.read(1)
            time.sleep(0.01)

    child = Child(use)
    time.sleep(0.2)
    text = mafs("top", "--once", "-d", "0.5", vol.mnt).stdout
    top = as_json("top", "-d", "0.5", vol.mnt)
    child.kill()
    assert f"{vol.dir} on {vol.mnt}" in text and "kernel: unseen" in text, text
    assert "new" in text and "TO BE WRITTEN BACK" in text, text
    rate = top["per_second"]["paths"]["C"]["written_bytes"]
    opens = top["per_second"]["paths"]["C"]["n_opens"]
    assert 100_000 <= rate <= 10_000_000, rate
    assert abs(rate / 100_000 - opens) <= max(4, opens / 4), (rate, opens)
    vol.umount()


@needs("mafs")
def test_top_is_drawn_until_q(work):
    vol = sample(work)
    write_file(f"{vol.mnt}/odd\n\udcff", b"x")
    code, said = on_terminal(["mafs", "top", "-d", "0.2", vol.mnt], keys=b"q")
    assert code == 0, said
    assert b"q ends" in said and b"odd\\n" in said, said
    refused_top = mafs("top", vol.mnt, code=2)
    assert "--once" in refused_top.stderr
    mafs("top", "-d", "0", vol.mnt, code=2)
    vol.umount()


@needs("mafs")
def test_pull_draws_a_bar_and_ends_with_a_plain_line(work):
    vol = prepared(work, {f"d/{i}": b"x" for i in range(40)})
    write_file(f"{vol.dir}/d/big", block(1, 64 * MIB))
    with slow_to_pull(f"{vol.dir}/d"):
        code, said = on_terminal(["mafs", "pull", f"{vol.mnt}/d"], columns=72)
    assert code == 1, said
    lines = re.split(rb"[\r\n]+", said.replace(b"\x1b[K", b""))
    bars = [line for line in lines if b"] " in line]
    assert bars and all(len(line) < 72 for line in bars), lines
    assert all(b"% 0 of 64M" in line for line in bars), bars
    assert any(b"pulled 0 files; kept 41: d/" in line for line in lines), lines
    plain = mafs("pull", f"{vol.mnt}/d")
    assert "pulled 41 files, 64M" in plain.stdout and plain.stderr == "", plain
    vol.umount()


@needs("mafs")
def test_pull_is_stopped_by_ctrl_c(work):
    vol = prepared(work, {f"d/{i}": b"x" for i in range(200)})
    with slow_to_pull(f"{vol.dir}/d"):
        code, said = on_terminal(["sh", "-c", "(sleep 0.3; kill -2 $$) & exec "
                                  f"mafs pull {vol.mnt}/d {vol.mnt}/d"])
    assert code == 1, said
    assert said.count(b"; stopped") == 1, said
    assert call_jobs(vol) == []
    vol.umount()


def call_jobs(vol):
    return json.loads(run(["curl", "-sS", "--unix-socket",
                           f"{vol.run_dir}/control.sock",
                           "http://x/v1/admin/jobs"]).stdout)["jobs"]


# What must be refused, with nothing changed.


def state_of(vol):
    status = vol.status()
    return ([(name, vol.file(f"{vol.mnt}/{name}")["state"],
              vol.file(f"{vol.mnt}/{name}")["policy"])
             for name in ("d/big", "small")], status["pinned_bytes"],
            status["n_promoted"], status["n_evicted"],
            as_json("set", vol.mnt))


def refused(vol, *args, said=(), code=1):
    before = state_of(vol)
    done = mafs(*args, code=code)
    assert done.stdout == "", done.stdout
    for word in said:
        assert word in done.stderr, done.stderr
    assert done.stderr.startswith("mafs: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert state_of(vol) == before


@needs("mafs")
def test_pinning_more_than_memory_holds(work):
    vol = prepared(work, {"d/big": b"", "small": b"x"}, memory="tmpfs:32M")
    os.truncate(f"{vol.dir}/d/big", 64 * MIB)
    refused(vol, "pin", f"{vol.mnt}/d", said=("memory does not hold it",))
    refused(vol, "set", f"{vol.mnt}/d", "policy=pinned",
            said=("memory does not hold it",))
    vol.umount()


@needs("mafs")
def test_policy_or_setting_that_does_not_exist(work):
    vol = sample(work)
    mafs("pull", f"{vol.mnt}/small")
    refused(vol, "set", f"{vol.mnt}/d", "policy=lukewarm",
            said=("lukewarm", "hot, tiered, cold, pinned"))
    refused(vol, "set", vol.mnt, "color=red", said=("color",))
    refused(vol, "set", vol.mnt, "writeback_after=soon",
            said=("writeback_after", "1h"))
    refused(vol, "set", vol.mnt, "watermark_high=101", said=("watermark",))
    refused(vol, "set", vol.mnt, "writeback_after", code=2)
    vol.umount()


@needs("mafs")
def test_path_outside_of_the_mount(work):
    vol = sample(work)
    outside = work.join("outside")
    write_file(outside, b"x")
    os.symlink(outside, f"{vol.mnt}/leads-out")
    for command in ("pin", "unpin", "pull", "push", "evict", "which", "stat",
                    "ls", "du", "tree"):
        for path in (outside, f"{vol.mnt}/leads-out"):
            done = mafs(command, path, code=1)
            assert "no mafs mount" in done.stderr, (command, done.stderr)
    refused(vol, "set", outside, "policy=hot", said=("no mafs mount",))
    refused(vol, "pin", f"{vol.mnt}/none", said=("No such file",))
    for command in ("pin", "pull", "which", "stat", "ls", "du", "set"):
        said = mafs(command, f"{vol.mnt}/none", code=1).stderr
        assert said.count("none") == 1, said
    vol.umount()


if __name__ == "__main__":
    main()
