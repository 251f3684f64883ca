# SPDX-License-Identifier: Apache-2.0
"""Performs the operations of a script (model_script.py) in one directory, and
says of each what came of it: a value, or an errno's name."""

import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import random
import stat
import time

from syscalls import (FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE,
                      MS_SYNC, RENAME_EXCHANGE, RENAME_NOREPLACE, fallocate,
                      link_fd, renameat2)

FLAGS = {"rdonly": os.O_RDONLY, "wronly": os.O_WRONLY, "rdwr": os.O_RDWR,
         "creat": os.O_CREAT, "trunc": os.O_TRUNC, "append": os.O_APPEND,
         "excl": os.O_EXCL, "sync": os.O_SYNC, "dsync": os.O_DSYNC,
         "nofollow": os.O_NOFOLLOW, "directory": os.O_DIRECTORY}
RENAMES = {"0": 0, "noreplace": RENAME_NOREPLACE, "exchange": RENAME_EXCHANGE}
FALLOCS = {"0": 0, "keep": FALLOC_KEEP_SIZE, "zero": FALLOC_ZERO_RANGE,
           "punch": FALLOC_PUNCH_HOLE | FALLOC_KEEP_SIZE}
XATTR_FLAGS = {"0": 0, "create": os.XATTR_CREATE, "replace": os.XATTR_REPLACE}
POOL = random.Random(0).randbytes(1 << 20)
# What a script sets lies before this; what the clock sets, after.
NOW_NS = time.time_ns() - 3600 * 10**9

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int,
                       ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def bytes_of(seed, length):
    begin = int(seed) * 331
    return POOL[begin:begin + int(length)]


def number_of(names, values):
    total = 0
    for name in names.split(","):
        total |= values[name]
    return total


def digest(data):
    return len(data), hashlib.sha1(data).hexdigest()[:12]


class Mapping:
    """Not Python's mmap, which keeps a descriptor of its own."""

    def __init__(self, fd, kind):
        st = os.fstat(fd)
        self.length = max(st.st_size if stat.S_ISREG(st.st_mode) else 0, 1)
        self.writable = kind != "r"
        flags = mmap.MAP_PRIVATE if kind == "private" else mmap.MAP_SHARED
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if self.writable else 0)
        address = _libc.mmap(None, self.length, prot, flags, fd, 0)
        if address == ctypes.c_void_p(-1).value:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self.address = address
        # For the file's size: what is O_PATH does not count as open.
        self.path_fd = os.open(f"/proc/self/fd/{fd}", os.O_PATH)

    def part(self, offset, length, plain):
        """What of it lies in the file: beyond is SIGBUS. @plain: the mapping
        of the plain file, whose size can be asked for also when it has neither
        a name nor a descriptor."""
        limit = min(self.length, os.fstat(plain.path_fd).st_size)
        begin = min(int(offset), limit)
        return self.address + begin, min(int(length), limit - begin)

    def sync(self):
        if _libc.msync(self.address, self.length, MS_SYNC):
            raise OSError(ctypes.get_errno(), "msync")

    def close(self):
        _libc.munmap(self.address, self.length)
        os.close(self.path_fd)


class Nothing(Exception):
    """The line names what is not open."""


class Side:
    """One directory, with what is open in it. @plain: the other side, of a
    mount."""

    def __init__(self, top, plain=None):
        self.top, self.fds, self.mappings = top, {}, {}
        self.plain = plain or self
        self.was_mapped = False

    def mtime(self, ns):
        """As it was set, or "now". When stores through a mapping count is a
        file system's own affair."""
        return "now" if ns >= NOW_NS or self.was_mapped else ns

    def attributes(self, st):
        kind = stat.S_IFMT(st.st_mode)
        return (oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink,
                None if kind == stat.S_IFDIR else st.st_size,
                None if kind == stat.S_IFIFO else self.mtime(st.st_mtime_ns))

    def perform(self, line):
        kind, *words = line.split()
        try:
            return getattr(self, "do_" + kind)(*words)
        except Nothing:
            return "nothing"
        except OSError as error:
            return errno.errorcode[error.errno]

    def path(self, name):
        return os.path.join(self.top, name)

    def fd(self, slot):
        if slot not in self.fds:
            raise Nothing
        return self.fds[slot]

    def put(self, slot, fd):
        self.fds[slot] = fd
        return self.attributes(os.fstat(fd))

    def mapping(self, slot):
        if slot not in self.mappings:
            raise Nothing
        return self.mappings[slot]

    def part(self, slot, offset, length):
        return self.mapping(slot).part(offset, length,
                                       self.plain.mapping(slot))

    def unmap_all(self):
        while self.mappings:
            self.mappings.popitem()[1].close()

    def fsync_all(self):
        for fd in self.fds.values():
            if stat.S_ISREG(os.fstat(fd).st_mode):
                os.fsync(fd)

    def close_all(self):
        """A dead daemon's descriptors may give errors."""
        self.unmap_all()
        while self.fds:
            try:
                os.close(self.fds.popitem()[1])
            except OSError:
                pass

    # of names

    def do_mkdir(self, name, bits):
        os.mkdir(self.path(name), int(bits, 8))

    def do_rmdir(self, name):
        os.rmdir(self.path(name))

    def do_unlink(self, name):
        os.unlink(self.path(name))

    def do_rename(self, old, new, flags):
        renameat2(self.path(old), self.path(new), RENAMES[flags])

    def do_link(self, old, new):
        os.link(self.path(old), self.path(new), follow_symlinks=False)

    def do_symlink(self, target, name):
        os.symlink(target, self.path(name))

    def do_mknod(self, name, kind):
        kind = stat.S_IFIFO if kind == "fifo" else stat.S_IFREG
        os.mknod(self.path(name), kind | 0o640)

    def do_list(self, name):
        return [(e.name, e.is_dir(follow_symlinks=False), e.is_symlink())
                for e in sorted(os.scandir(self.path(name)),
                                key=lambda e: e.name)]

    def do_stat(self, name):
        return self.attributes(os.lstat(self.path(name)))

    def do_readlink(self, name):
        return os.readlink(self.path(name))

    def do_chmod(self, name, bits):
        os.chmod(self.path(name), int(bits, 8))
        return self.attributes(os.stat(self.path(name)))

    def do_chown(self, name, uid, gid):
        os.lchown(self.path(name), int(uid), int(gid))
        return self.attributes(os.lstat(self.path(name)))

    def do_utime(self, name, ns):
        os.utime(self.path(name), ns=(int(ns), int(ns)),
                 follow_symlinks=False)
        return self.attributes(os.lstat(self.path(name)))

    def do_truncate(self, name, size):
        os.truncate(self.path(name), int(size))
        return self.attributes(os.stat(self.path(name)))

    def do_setxattr(self, name, key, seed, flags):
        os.setxattr(self.path(name), key, bytes_of(seed, int(seed) % 50),
                    XATTR_FLAGS[flags], follow_symlinks=False)

    def do_removexattr(self, name, key):
        os.removexattr(self.path(name), key, follow_symlinks=False)

    def do_xattrs(self, name):
        path = self.path(name)
        return {key: os.getxattr(path, key, follow_symlinks=False)
                for key in sorted(os.listxattr(path, follow_symlinks=False))}

    # of descriptors

    def do_open(self, slot, name, flags, bits):
        self.do_close(slot)
        # A fifo would wait for its other end.
        return self.put(slot, os.open(self.path(name), os.O_NONBLOCK |
                                      number_of(flags, FLAGS), int(bits, 8)))

    def do_tmpfile(self, slot, name, flags):
        self.do_close(slot)
        return self.put(slot, os.open(self.path(name), os.O_TMPFILE |
                                      number_of(flags, FLAGS), 0o640))

    def do_link_fd(self, slot, name):
        link_fd(self.fd(slot), self.path(name))
        return self.attributes(os.fstat(self.fd(slot)))

    def do_close(self, slot):
        if slot in self.fds:
            os.close(self.fds.pop(slot))

    def do_write(self, slot, offset, length, seed):
        fd = self.fd(slot)
        return (os.pwrite(fd, bytes_of(seed, length), int(offset)),
                self.attributes(os.fstat(fd)))

    def do_append(self, slot, length, seed):
        fd = self.fd(slot)
        return (os.write(fd, bytes_of(seed, length)),
                os.lseek(fd, 0, os.SEEK_CUR), self.attributes(os.fstat(fd)))

    def do_read(self, slot, offset, length):
        return digest(os.pread(self.fd(slot), int(length), int(offset)))

    def do_read_on(self, slot, length):
        fd = self.fd(slot)
        return (digest(os.read(fd, int(length))),
                os.lseek(fd, 0, os.SEEK_CUR))

    def do_truncate_fd(self, slot, size):
        os.ftruncate(self.fd(slot), int(size))
        return self.attributes(os.fstat(self.fd(slot)))

    def do_fallocate(self, slot, mode, offset, length):
        fallocate(self.fd(slot), number_of(mode, FALLOCS), int(offset),
                  int(length))
        return self.attributes(os.fstat(self.fd(slot)))

    def do_copy(self, source, source_at, slot, at, length):
        count = os.copy_file_range(self.fd(source), self.fd(slot),
                                   int(length), int(source_at), int(at))
        return count, self.attributes(os.fstat(self.fd(slot)))

    def do_seek(self, slot):
        """What lies in the file's data is the file; its holes are zeros."""
        fd = self.fd(slot)
        if not stat.S_ISREG(os.fstat(fd).st_mode) or \
                fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            raise Nothing
        for mapping in self.mappings.values():
            mapping.sync()  # else the kernel does not tell the daemon
        here, size = os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size
        content, at = bytearray(size), 0
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break
            end = os.lseek(fd, at, os.SEEK_HOLE)
            content[at:end] = os.pread(fd, end - at, at)
            at = end
        os.lseek(fd, here, os.SEEK_SET)
        return digest(content), here

    def do_fsync(self, slot):
        os.fsync(self.fd(slot))

    def do_fdatasync(self, slot):
        os.fdatasync(self.fd(slot))

    def do_fstat(self, slot):
        return self.attributes(os.fstat(self.fd(slot)))

    def do_chmod_fd(self, slot, bits):
        os.fchmod(self.fd(slot), int(bits, 8))
        return self.attributes(os.fstat(self.fd(slot)))

    def do_utime_fd(self, slot, ns):
        os.utime(self.fd(slot), ns=(int(ns), int(ns)))
        return self.attributes(os.fstat(self.fd(slot)))

    # of mappings

    def do_map(self, slot, fd_slot, kind):
        fd = self.fd(fd_slot)
        self.do_unmap(slot)
        self.mappings[slot] = Mapping(fd, kind)
        self.was_mapped |= kind == "rw"
        return self.mappings[slot].length

    def do_unmap(self, slot):
        if slot in self.mappings:
            self.mappings.pop(slot).close()

    def do_store(self, slot, offset, length, seed):
        mapping = self.mapping(slot)
        if not mapping.writable:
            raise Nothing
        address, length = self.part(slot, offset, length)
        ctypes.memmove(address, bytes_of(seed, length), length)
        return length

    def do_load(self, slot, offset, length):
        return digest(ctypes.string_at(*self.part(slot, offset, length)))

    def do_msync(self, slot):
        self.mapping(slot).sync()
