# SPDX-License-Identifier: Apache-2.0
"""System calls that Python's os module does not have."""

import ctypes
import fcntl
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE = 1, 2
FALLOC_COLLAPSE_RANGE, FALLOC_ZERO_RANGE = 8, 16
MS_ASYNC, MS_SYNC = 1, 4


def _checked(result, path=None):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def renameat2(old, new, flags):
    _checked(_libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD,
                             os.fsencode(new), flags), old)


def fallocate(fd, mode, offset, length):
    _checked(_libc.fallocate(fd, mode, ctypes.c_int64(offset),
                             ctypes.c_int64(length)))


def link_fd(fd, path):
    """Give an O_TMPFILE a name."""
    _checked(_libc.linkat(AT_FDCWD, os.fsencode(f"/proc/self/fd/{fd}"),
                          AT_FDCWD, os.fsencode(path), 0x400), path)


def birth_time_ns(path):
    """statx(STATX_BTIME), or None."""
    buffer = ctypes.create_string_buffer(256)
    _checked(_libc.statx(AT_FDCWD, os.fsencode(path), 0x100, 0x800, buffer))
    if not struct.unpack_from("I", buffer, 0)[0] & 0x800:
        return None
    seconds, nanoseconds = struct.unpack_from("qI", buffer, 80)
    return seconds * 10**9 + nanoseconds


class Directory:
    """opendir/readdir/telldir/seekdir, as a C program uses them."""

    def __init__(self, path):
        for name, result, arguments in (
                ("opendir", ctypes.c_void_p, [ctypes.c_char_p]),
                ("readdir64", ctypes.c_void_p, [ctypes.c_void_p]),
                ("telldir", ctypes.c_long, [ctypes.c_void_p]),
                ("seekdir", None, [ctypes.c_void_p, ctypes.c_long]),
                ("closedir", ctypes.c_int, [ctypes.c_void_p])):
            function = getattr(_libc, name)
            function.restype, function.argtypes = result, arguments
        self.handle = _libc.opendir(os.fsencode(path))
        assert self.handle, f"opendir {path}"

    def read(self):
        """(name, type, inode), or None at the end."""
        entry = _libc.readdir64(self.handle)
        if not entry:
            return None
        inode, _, _, kind = struct.unpack("<QqHB",
                                          ctypes.string_at(entry, 19))
        return os.fsdecode(ctypes.string_at(entry + 19)), kind, inode

    def tell(self):
        return _libc.telldir(self.handle)

    def seek(self, position):
        _libc.seekdir(self.handle, position)

    def close(self):
        _libc.closedir(self.handle)


def flock_probe(fd, kind, start=0, length=0):
    """F_GETLK: the type of a lock that would conflict, or None."""
    answer = fcntl.fcntl(fd, fcntl.F_GETLK,
                         struct.pack("hhqqi4x", kind, 0, start, length, 0))
    found = struct.unpack("hhqqi4x", answer)[0]
    return None if found == fcntl.F_UNLCK else found


def capability_xattr(permitted=1 << 10):
    """security.capability, version 2: cap_net_bind_service=ep."""
    return struct.pack("<IIIII", 0x02000001, permitted, 0, 0, 0)
