#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The space of memory volumes: it ends with ENOSPC and nothing else, removing
always works and gives all of it back, and files in pieces are whole."""

import errno
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../harness"))
from memory import MemoryVolume
from runner import main, scale
from syscalls import FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, fallocate
from tree import block, read_file, write_file
from work import Child, fails, run, wait_for

KIB, MIB = 1 << 10, 1 << 20


def in_memory(work):
    """Devices there are files of a tmpfs, whose flushes cost nothing."""
    work = work.sub("memory")
    run(["mount", "-t", "tmpfs", "-o", "size=200M", "tmpfs", work.path])
    return work


def settled_free_bytes(vol):
    """What was given back is free a moment later; and what the kernel still
    knows of, when it has forgotten it."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write("2\n")
    return vol.free_bytes()


def wait_for_free(vol, wanted):
    def there():
        return settled_free_bytes(vol) >= wanted
    try:
        wait_for(there, 10)
    except AssertionError:
        said = run(["mafs", "status", vol.mnt]).stdout
        raise AssertionError(f"{vol.free_bytes()} bytes are free, {wanted} "
                             f"were: {said}") from None


def until_full(step):
    """step(i) until there is no room; gives how often it worked."""
    i = 0
    while True:
        try:
            step(i)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            return i
        i += 1


def remove_all(top):
    for directory, names, files in os.walk(top, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in names:
            os.rmdir(os.path.join(directory, name))


def test_bytes_end_with_enospc_and_come_back(work):
    for kind in ("file", "memfd"):
        vol = MemoryVolume(in_memory(work.sub(kind)), kind,
                           size="48M").mount()
        free = vol.free_bytes()
        st = os.statvfs(vol.mnt)
        available = st.f_bavail * st.f_frsize
        piece = block(1, 256 * KIB)

        def write(i, top=vol.mnt):
            write_file(os.path.join(top, str(i)), piece)

        for _ in range(3):
            count = until_full(write)
            assert count * len(piece) <= available
            assert count * len(piece) >= 0.95 * available, (count, available)
            st = os.statvfs(vol.mnt)
            assert st.f_bavail * st.f_frsize < 2 * len(piece), st
            for i in range(count):
                assert read_file(os.path.join(vol.mnt, str(i))) == piece, i
            # Of what did not fit there is what was written, or nothing.
            last = os.path.join(vol.mnt, str(count))
            if os.path.exists(last):
                assert piece.startswith(read_file(last))
            remove_all(vol.mnt)
            wait_for_free(vol, free)
        vol.umount()


def test_write_that_does_not_fit_is_short(work):
    """As on a local file system; the next one is ENOSPC."""
    vol = MemoryVolume(in_memory(work), "file", size="24M", unit="4K",
                       devices=1).mount()
    path = os.path.join(vol.mnt, "f")
    content = block(1, 64 * MIB)
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    done, n = 0, 1
    while n:
        try:
            n = os.write(fd, content[done:done + MIB])
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            n = 0
        assert n in (0, MIB) or n % 4096 == 0 and done % MIB == 0, (done, n)
        done += n
    assert done % MIB, done
    assert vol.free_bytes() - 4096 < 2 * MIB, vol.free_bytes()
    with fails(errno.ENOSPC):
        os.write(fd, b"x")
    os.pwrite(fd, b"y" * 4096, 0)
    os.close(fd)
    assert read_file(path) == b"y" * 4096 + content[4096:done]
    vol.umount()


def test_longer_names_end_with_enospc(work):
    vol = MemoryVolume(in_memory(work), "file", size="6M", unit="4K",
                       devices=1, mkfs=("--log-size", "64K")).mount()
    free = vol.free_bytes()
    os.mknod(f"{vol.mnt}/f")
    # A name is all that a link is.
    count = until_full(lambda i: os.link(f"{vol.mnt}/f", f"{vol.mnt}/{i:05}"))
    assert count > 2000, count
    said = set()
    for i in range(count):
        try:
            os.rename(f"{vol.mnt}/{i:05}", f"{vol.mnt}/{'n' * 240}{i:05}")
        except OSError as error:
            said.add(error.errno)
    assert said == {errno.ENOSPC}, said
    # No longer than it was, or in another's place: always.
    long_ones = [n for n in os.listdir(vol.mnt) if len(n) > 5]
    short_ones = [n for n in os.listdir(vol.mnt) if len(n) == 5]
    for n in short_ones[:1000]:
        os.rename(f"{vol.mnt}/{n}", f"{vol.mnt}/x{n[1:]}")
    for n, to in zip(short_ones[1000:1100], long_ones):
        os.rename(f"{vol.mnt}/{n}", f"{vol.mnt}/{to}")
    names = sorted(os.listdir(vol.mnt))
    vol.kill()
    vol.mount()
    assert sorted(os.listdir(vol.mnt)) == names
    remove_all(vol.mnt)
    wait_for_free(vol, free)
    vol.umount()
    vol.fsck()


def test_names_end_with_enospc_and_come_back(work):
    vol = MemoryVolume(work, "memfd", size="8M").mount()
    free = vol.free_bytes()
    long_name = "n" * 200

    def create(i):
        if i % 1000 == 0:
            os.mkdir(os.path.join(vol.mnt, str(i)))
        path = os.path.join(vol.mnt, str(i - i % 1000), f"{long_name}{i}")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))

    for _ in range(2):
        count = until_full(create)
        assert count > 2000, count
        # A checkpoint may have made some room meanwhile.
        until_full(lambda i: os.mkdir(os.path.join(vol.mnt, f"d{i}")))
        until_full(lambda i: os.symlink("x", os.path.join(vol.mnt, f"l{i}")))
        remove_all(vol.mnt)
        wait_for_free(vol, free)
    vol.umount()


def test_full_of_bytes_all_but_new_names_goes_on(work):
    """The log has room of its own: no EIO, however much is changed."""
    vol = MemoryVolume(in_memory(work), "file", size="24M", devices=1,
                       mkfs=["--checkpoint-after", "64K"]).mount()
    free = vol.free_bytes()
    names = [os.path.join(vol.mnt, f"{i}.") for i in range(50)]
    for path in names:
        write_file(path, b"x")

    with open(os.path.join(vol.mnt, "large"), "wb", buffering=0) as large:
        until_full(lambda i: large.write(block(i, 64 * KIB)))
    def change(paths):
        for i in range(scale(10000, 100000)):
            path = paths[i % len(paths)]
            if i % 4 == 0:
                os.chmod(path, 0o600 + i % 64)
            elif i % 4 == 1:
                other = path[:-1] + "-"
                os.rename(path, other)
                os.rename(other, path)
            elif i % 4 == 2:
                os.utime(path, ns=(i, i))
            else:
                with open(path, "r+b", buffering=0) as out:
                    out.write(b"y")

    children = [Child(lambda k=k: change(names[k::4])) for k in range(4)]
    for child in children:
        child.wait(120)
    remove_all(vol.mnt)
    wait_for_free(vol, free)
    write_file(os.path.join(vol.mnt, "again"), block(1, 8 * MIB))
    vol.umount()
    vol.mount()
    assert read_file(os.path.join(vol.mnt, "again")) == block(1, 8 * MIB)
    vol.umount()


def test_full_of_bytes_removing_works_over_another_mount(work):
    vol = MemoryVolume(in_memory(work), "file", size="16M", unit="4K", devices=1).mount()
    free = vol.free_bytes()
    until_full(lambda i: write_file(os.path.join(vol.mnt, str(i)),
                                    block(i, 4 * KIB)))
    vol.kill()
    vol.mount()
    with fails(errno.ENOSPC):
        write_file(os.path.join(vol.mnt, "more"), block(1, MIB))
    remove_all(vol.mnt)
    wait_for_free(vol, free)
    vol.umount()


def fragment(vol, n_files, size):
    """Many files, every other one of which goes again, on each of two devices:
    what is free is in pieces of one file each."""
    paths = [os.path.join(vol.mnt, f"piece-{i}") for i in range(n_files)]
    for i, path in enumerate(paths):
        write_file(path, block(i, size))
    gone = {i for i in range(n_files) if i % 4 < 2}
    free = vol.free_bytes()
    for i in gone:
        os.unlink(paths[i])
    # Less what the log takes of it, and what is kept free for that.
    wait_for_free(vol, free + len(gone) * size - 6 * MIB)
    return {path: block(i, size) for i, path in enumerate(paths)
            if i not in gone}


def n_extents(path):
    """At least; what is longer than any xattr has a thousand."""
    try:
        text = os.getxattr(path, "user.mafs.extents").decode()
    except OSError as error:
        assert error.errno == errno.E2BIG, error
        return 64 * KIB // len("00000000-0000-0000-0000-000000000000 1 4096\n")
    return len(text.splitlines())


def test_file_of_a_thousand_extents_is_whole(work):
    rng = random.Random(5)
    vol = MemoryVolume(in_memory(work), "file", size="32M",
                       unit="4K").mount()
    free = vol.free_bytes()
    kept = fragment(vol, scale(10000, 12000), 4 * KIB)
    path = os.path.join(vol.mnt, "large")
    content = bytearray()
    with open(path, "wb", buffering=0) as out:
        def append(i):
            part = block(i, 64 * KIB)
            n = out.write(part)
            content.extend(part[:n])

        until_full(append)
        # Room for what follows.
        del content[-3 * MIB:]
        out.truncate(len(content))
    print(f"memory: extents={n_extents(path)}", flush=True)
    assert n_extents(path) > 1000, n_extents(path)
    # Changed in the middle, with holes, and over another mount.
    with open(path, "r+b", buffering=0) as out:
        for i in range(200):
            at = rng.randrange(len(content) - 20000)
            part = block(i, rng.randrange(1, 20000))
            if i % 5 == 0:
                fallocate(out.fileno(), FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE,
                          at, len(part))
                part = bytes(len(part))
            else:
                out.seek(at)
                out.write(part)
            content[at:at + len(part)] = part
        out.truncate(len(content) - 12345)
        del content[-12345:]
        assert read_file(path) == content
        os.fsync(out.fileno())
    for end in (vol.umount, vol.kill):
        end()
        vol.mount()
        assert read_file(path) == content
        for other, bytes_of in kept.items():
            assert read_file(other) == bytes_of, other
    remove_all(vol.mnt)
    wait_for_free(vol, free)
    vol.umount()
    vol.mount()
    wait_for_free(vol, free)
    vol.umount()


def test_preallocated_bytes_stay_after_close(work):
    vol = MemoryVolume(work, "memfd", size="32M").mount()
    path = os.path.join(vol.mnt, "f")
    with open(path, "wb", buffering=0) as out:
        fallocate(out.fileno(), FALLOC_KEEP_SIZE, 0, 4 * MIB)
        out.write(b"x")
    assert os.stat(path).st_blocks * 512 >= 4 * MIB
    # What an appending writer got in advance does not.
    with open(path + "2", "wb", buffering=0) as out:
        for i in range(300):
            out.write(block(i, 10000))
    # It goes at the release, which comes some time after the close.
    def is_given_back():
        st = os.stat(path + "2")
        return st.st_blocks * 512 < st.st_size + 128 * KIB

    wait_for(is_given_back, 10, "what was taken in advance to be free")
    assert os.stat(path).st_blocks * 512 >= 4 * MIB
    vol.umount()


def test_pairs_of_create_and_unlink_never_fill_the_log(work):
    vol = MemoryVolume(in_memory(work), "file", size="64M",
                       mkfs=("--log-size", "4M")).mount()
    free, longest = vol.free_bytes(), 0
    kept = {f"{vol.mnt}/kept-{i}": block(i, 5000) for i in range(50)}
    for path, content in kept.items():
        write_file(path, content)
    for i in range(100000):
        path = f"{vol.mnt}/file-{i}"
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        if i % 10 == 0:
            os.write(fd, b"x")
        os.close(fd)
        os.unlink(path)
        if i % 5000 == 0:
            longest = max(longest, vol.status()["log_bytes"])
    # It went round, within its two slots.
    assert MIB < longest <= 4 * MIB, longest
    print(f"memory: pairs=100000 log_longest={longest >> 10}K", flush=True)
    wait_for(lambda: vol.fsck()["devices"][0]["log"] == 0, 10,
             "the log without further segments")
    vol.kill()
    vol.mount()
    for path, content in kept.items():
        assert read_file(path) == content, path
    remove_all(vol.mnt)
    wait_for_free(vol, free)
    vol.umount()
    vol.fsck()


if __name__ == "__main__":
    main()
