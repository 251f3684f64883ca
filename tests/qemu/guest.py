#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Virtual machines, under software emulation, for tests on other kernels, on
device memory, and with the power cut.

A guest does what it is told over a virtio-serial port, by guest/agent. Its
disk is as the image has it at each start; what outlives it is its memory
device, a file of the host that guests may share. Run by itself, this runs one
scenario: run.sh says how.
"""

import argparse
import base64
import contextlib
import ctypes
import glob
import hashlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77
# Emulation on a busy machine is slow; a guest that hangs is found all the same.
BOOT_S = 240
LABELS_MIB = 2
PREFIX = "/var/tmp/mafs-qemu-"


class Rebooted(Exception):
    """The guest began anew instead of ending what it was told."""


class Image:
    """What guests boot from; a context that ends with the files gone.
    kernel: "release" or "sid", see image.sh."""

    def __init__(self, kernel):
        _remove_left_over()
        self.dir = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.")
        self.guests = []
        made = subprocess.run([f"{HERE}/image.sh", kernel, self.dir])
        if made.returncode:
            self.close()
            sys.exit(made.returncode)

    def path(self, name):
        return os.path.join(self.dir, name)

    def memory_device(self, size_mib, name="nvdimm"):
        """A file of the host to be guests' memory device; at its end are the
        labels of namespaces."""
        with open(self.path(name), "wb") as file:
            file.truncate((size_mib + LABELS_MIB) << 20)
        return self.path(name)

    def close(self):
        for guest in self.guests:
            guest.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        # Ends by exceptions only, so that nothing stays behind.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(self, *_):
        self.close()


class Guest:
    """One machine, that may be started again after kill().

    name: who it is: its machine id comes from it
    nvdimm: file that is its memory device; stores stay when it is killed
    systemd: a whole system; else our own first process, which is up sooner
    """

    def __init__(self, image, name="guest", mib=768, nvdimm=None,
                 systemd=False):
        self.image, self.name, self.mib = image, name, mib
        self.nvdimm, self.systemd = nvdimm, systemd
        self.qemu, self.port, self.said = None, None, b""
        image.guests.append(self)

    def _command(self):
        machine = hashlib.md5(self.name.encode()).hexdigest()
        words = ["root=/dev/nvme0n1", "rw", "console=ttyS0", "quiet",
                 "panic=1", f"systemd.machine_id={machine}"]
        if not self.systemd:
            words.append("init=/mafs/init")
        path = self.image.path
        command = [
            "qemu-system-x86_64", "-machine", "q35,nvdimm=on",
            "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
            "-m", f"{self.mib}M,slots=2,maxmem=16G",
            "-display", "none", "-monitor", "none", "-nic", "none",
            "-serial", f"file:{path(self.name)}.console",
            "-kernel", path("kernel"), "-append", " ".join(words),
            "-drive", f"file={path('disk')},format=raw,if=none,id=root,"
            "snapshot=on,cache=unsafe",
            "-device", "nvme,drive=root,serial=root",
            "-device", "virtio-serial",
            "-chardev", f"socket,id=agent,path={path(self.name)}.port",
            "-device", "virtserialport,chardev=agent,name=mafs,nr=1"]
        if self.nvdimm:
            size = os.path.getsize(self.nvdimm)
            command += [
                "-object", "memory-backend-file,id=dax,share=on,"
                f"mem-path={self.nvdimm},size={size}",
                "-device", f"nvdimm,memdev=dax,label-size={LABELS_MIB}M"]
        return command

    def start(self):
        """Boot, until it can be told something."""
        address = self.image.path(self.name) + ".port"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(1)
            listener.settimeout(60)
            self.qemu = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL,
                env=dict(os.environ, TMPDIR=self.image.dir),
                preexec_fn=_dies_with_parent)
            self.port, self.said = None, b""
            self.port = listener.accept()[0]
        self.wait_for_boot()
        return self

    def wait_for_boot(self):
        with contextlib.suppress(Rebooted):
            for _ in self._lines(BOOT_S):
                pass
        return self

    def tell(self, script, timeout_s=600):
        """Run a script of sh; gives its lines while they come, and its exit
        code as the last one."""
        self.port.sendall(base64.b64encode(script.encode()) + b"\n")
        return self._lines(timeout_s)

    def run(self, script, timeout_s=600, check=True):
        """Its exit code and what it printed."""
        *lines, code = self.tell(script, timeout_s)
        text = "\n".join(lines)
        assert not check or code == 0, f"{self.name}: exit {code}: {text}"
        return code, text

    def _lines(self, timeout_s):
        deadline = time.monotonic() + timeout_s
        selector = selectors.DefaultSelector()
        selector.register(self.port, selectors.EVENT_READ)
        while True:
            line, newline, rest = self.said.partition(b"\n")
            if not newline:
                left = deadline - time.monotonic()
                assert left > 0 and selector.select(left), (
                    f"{self.name}: no end in {timeout_s} s; it said "
                    f"{line[-200:]!r}\n{self.console()}")
                some = self.port.recv(1 << 16)
                assert some, f"{self.name}: qemu ended\n{self.console()}"
                self.said += some
                continue
            self.said = rest
            if line == b"\036boot":
                raise Rebooted()
            if line.startswith(b"\036"):
                yield int(line[1:])
                return
            yield line.decode(errors="replace")

    def kill(self):
        """At once: a power cut to its kernel. Gives the lines that had come
        until then and were not read."""
        if not self.qemu:
            return []
        self.qemu.kill()
        self.qemu.wait()
        self.qemu = None
        if self.port:
            while some := self.port.recv(1 << 16):
                self.said += some
            self.port.close()
        return self.said.decode(errors="replace").split("\n")[:-1]

    def console(self, n_lines=30):
        """The last that its kernel said."""
        with open(self.image.path(self.name) + ".console",
                  errors="replace") as console:
            return "".join(console.readlines()[-n_lines:])


def _remove_left_over():
    """What a test left that was killed."""
    for path in glob.glob(f"{PREFIX}*.*"):
        pid = path[len(PREFIX):].partition(".")[0]
        if not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(path, ignore_errors=True)


def _dies_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _scenario(guest, script, timeout_s):
    """Run it at each boot until it ends; its exit code."""
    while True:
        try:
            for line in guest.tell(script, timeout_s):
                if isinstance(line, int):
                    return line
                print(line, flush=True)
        except Rebooted:
            print("(booted again)", flush=True)


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", default="release",
                        choices=("release", "sid"))
    parser.add_argument("--systemd", action="store_true")
    parser.add_argument("--memory", type=int, default=768, metavar="MIB")
    parser.add_argument("--nvdimm", type=int, metavar="MIB")
    parser.add_argument("--timeout", type=int, default=1500, metavar="S")
    parser.add_argument("scenario")
    return parser.parse_args()


def _main():
    options = _options()
    with open(options.scenario) as file:
        script = file.read()
    with Image(options.kernel) as image:
        device = options.nvdimm and image.memory_device(options.nvdimm)
        guest = Guest(image, mib=options.memory, nvdimm=device,
                      systemd=options.systemd).start()
        sys.exit(_scenario(guest, script, options.timeout))


if __name__ == "__main__":
    _main()
