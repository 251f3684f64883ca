# SPDX-License-Identifier: Apache-2.0
"""Just enough of the on-media format (include/mafs/omf.h) to find the batches
of a live log, so that a test can damage one."""

import os
import struct

BATCH = struct.Struct("<IIQQII")  # magic, crc, salt, number, length, n_records
BATCH_MAGIC = 0x4842464D
SUPERBLOCK_MAGIC = 0x314B4C4253464D41


def live_slot(memory):
    """0 or 1, and that slot's salt, as the newer superblock copy says."""
    with open(os.path.join(memory, "superblock"), "rb") as source:
        content = source.read()
    copies = []
    for offset in (0, 4096):
        copy = content[offset:offset + 512]
        if len(copy) == 512 and struct.unpack_from("<Q", copy)[0] == \
                SUPERBLOCK_MAGIC:
            generation, = struct.unpack_from("<Q", copy, 16)
            slot, = struct.unpack_from("<I", copy, 92)
            salt, = struct.unpack_from("<Q", copy, 160 + 32 * slot + 16)
            copies.append((generation, slot, salt))
    assert copies, "no superblock found"
    return max(copies)[1:]


def live_log(memory):
    """(path of the live log, [(offset, end) of each batch])."""
    slot, salt = live_slot(memory)
    path = os.path.join(memory, "log-" + "ab"[slot])
    with open(path, "rb") as source:
        content = source.read()
    batches, offset = [], 0
    while offset + BATCH.size <= len(content):
        magic, _, has, number, length, _ = BATCH.unpack_from(content, offset)
        if magic != BATCH_MAGIC or has != salt or number != len(batches):
            break
        end = offset + BATCH.size + length
        batches.append((offset, end))
        offset = end
    return path, batches


def flip(path, offset):
    with open(path, "r+b") as media:
        media.seek(offset)
        byte = media.read(1)[0]
        media.seek(offset)
        media.write(bytes([byte ^ 0x10]))
