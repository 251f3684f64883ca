# SPDX-License-Identifier: Apache-2.0
"""What a volume's memory holds, looked at from beside."""

import contextlib
import os
import threading

from tree import write_file


@contextlib.contextmanager
def memory_used(vol, every_s=0.1):
    """A list that grows while the block runs: bytes used in memory."""
    seen, stop = [], threading.Event()

    def sample():
        while not stop.wait(every_s):
            st = os.statvfs(f"{vol.run_dir}/memory/data")
            seen.append((st.f_blocks - st.f_bfree) * st.f_frsize)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def calm(work):
    """A mount option: other programs' hunger for memory does not count."""
    path = work.join("pressure")
    write_file(path, b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
                     b"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    return f"pressure={path}"
