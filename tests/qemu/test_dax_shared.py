#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two machines on one memory device, /dev/dax0.0 of both: one is the master,
the other follows, and takes over when the first is gone.

ctest: labels=root timeout=2400
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from guest import Guest, Image

MNT = "/mnt/mem"
N_ROUNDS = 10
# Emulated, beside others: half a minute where a host takes a tenth second.
LATE_S = 30


def mount(guest, options="", check=True):
    word = f"-o {options}" if options else ""
    return guest.run(f"mkdir -p {MNT} && "
                     f"mafs mount {word} /dev/dax0.0 {MNT} 2>&1", check=check)


def role(guest):
    return guest.run(f"mafs status --json {MNT}")[1]


def digest(guest):
    return guest.run(f"/mafs/shared.py digest {MNT}")[1].strip()


def wait_for_same(master, client, what):
    wanted, end = digest(master), time.monotonic() + LATE_S
    while (seen := digest(client)) != wanted:
        assert time.monotonic() < end, f"{what}: {seen}, wanted {wanted}"


def test_what_one_stores_the_other_reads(a, b):
    """The device itself: nothing of mafs is in it yet."""
    for guest in (a, b):
        guest.run("/mafs/dax 4K 2>&1")
    script = ("import mmap, os; m = mmap.mmap(os.open('/dev/dax0.0', "
              "os.O_RDWR), 4 << 20); ")
    for one, other, text in ((a, b, "first"), (b, a, "second")):
        one.run(f'python3 -c "{script} m[3 << 20:][:9]; '
                f"m[3 << 20:(3 << 20) + {len(text)}] = b'{text}'\"")
        said = other.run(f'python3 -c "{script} '
                         'print(m[3 << 20:(3 << 20) + 9])"')[1]
        assert text in said, said


def test_a_second_machine_is_a_client(a, b):
    a.run("mafs mkfs --alloc-unit 4K --checkpoint-after 64K /dev/dax0.0")
    mount(a)
    a.run(f"cp -a /usr/lib/python3.11/json /etc {MNT}")
    mount(b)
    assert '"master"' in role(a) and '"client"' in role(b), role(b)
    a.run(f"diff -r /usr/lib/python3.11/json {MNT}/json")
    b.run(f"diff -r /usr/lib/python3.11/json {MNT}/json")
    wait_for_same(a, b, "the copied tree")


def test_the_client_writes_nothing(a, b):
    for change in (f"touch {MNT}/new", f"rm {MNT}/etc/fstab",
                   f"echo >>{MNT}/etc/fstab", f"chmod 600 {MNT}/etc/fstab"):
        code, said = b.run(f"{change} 2>&1", check=False)
        assert code and "Read-only file system" in said, said
    wait_for_same(a, b, "what was refused")


def test_the_client_follows(a, b):
    a.run(f"mkdir {MNT}/d")
    for i in range(N_ROUNDS):
        a.run(f"/mafs/shared.py change {MNT}/d {i} 20")
        wait_for_same(a, b, f"round {i}")


def test_a_reader_never_sees_another_files_bytes(a, b):
    reading = b.tell(f"/mafs/shared.py read {MNT}/d 200 2>&1")
    writing = a.tell(f"/mafs/shared.py change {MNT}/d 100 300 2>&1")
    for what in (writing, reading):
        *lines, code = what
        assert code == 0, lines
    wait_for_same(a, b, "after the race")


def test_a_second_master_is_refused(a, b):
    b.run(f"mafs umount {MNT}")
    for options, why in (("role=master", "unmount"),
                         ("takeover", "heartbeat")):
        code, said = mount(b, options, check=False)
        assert code and why in said, said
    mount(b)
    wait_for_same(a, b, "mounted again")


def test_a_client_takes_over_from_a_dead_master(a, b):
    a.run(f"/mafs/shared.py change {MNT}/d 200 20")
    was = digest(a)
    a.kill()
    assert digest(b) == was, "the client, with the master gone"
    b.run(f"mafs umount {MNT}")
    mount(b, "takeover")
    assert digest(b) == was, "the new master"
    b.run(f"/mafs/shared.py change {MNT}/d 201 20")
    a.start()
    a.run("/mafs/dax")
    mount(a)
    assert '"client"' in role(a) and '"master"' in role(b)
    wait_for_same(b, a, "the old master")


def test_all_is_well_in_the_end(a, b):
    was = digest(b)
    for guest in (a, b):
        guest.run(f"mafs umount {MNT}")
    a.run("mafs fsck /dev/dax0.0")
    mount(a)
    assert '"master"' in role(a)
    assert digest(a) == was
    a.run(f"mafs umount {MNT}")


def main():
    with Image("sid") as image:
        device = image.memory_device(256)
        a, b = (Guest(image, name, mib=512, nvdimm=device).start()
                for name in ("first", "second"))
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                begin = time.monotonic()
                test(a, b)
                print(f"ok   {name} {time.monotonic() - begin:.1f}s",
                      flush=True)


if __name__ == "__main__":
    main()
