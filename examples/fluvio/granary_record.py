"""Reads what Granary writes to a Fluvio topic, in plain Python.

A Fluvio record of Granary's has the message's key as its key, and an envelope as its value:

    3 bytes   "GRN"
    u8        version of the envelope: 1
    u32       CRC32C over everything behind this field, then the key (none counts as empty)
    u32       length of all that follows
    u8        flags: which of the optional parts are there
    u64       append time, milliseconds since the Unix epoch
    [2]       headers      varint count, then name and value, each a text
    [4]       source       topic text, varint partition, varint offset, varint index
    [8]       incarnation  stage text, varint version, varint epoch
    [16]      producer     16 bytes id, varint sequence
    [32]      schema       varint version
    [64]      trace        16 bytes
    ...       payload      the rest

Numbers are little-endian, a varint is LEB128, a text is a varint length and that many bytes.

    import granary_record
    message = granary_record.decode(record.key(), bytes(record.value()))
    message["payload"], message["headers"]

Which topic of the cluster belongs to which stream is shown by `granary stream describe <stream>`. A stage appends before it
commits: a reader of the cluster's topic may see messages of a try that was never committed, which Granary's own readers skip.
"""

from typing import Any, Optional

MAGIC = b"GRN"
VERSION = 1


class NotGranary(ValueError):
    """The record was not written by Granary."""


class Newer(ValueError):
    """The record was written by a newer Granary than this reader knows."""


class Damaged(ValueError):
    """The record is not what was written."""


def decode(key: Optional[bytes], value: bytes) -> dict[str, Any]:
    """The message in a Fluvio record: key, payload, headers (pairs), time_ms, and the engine's own fields where they are."""
    if value[:3] != MAGIC:
        raise NotGranary("the value does not begin with GRN")
    if value[3:4] != bytes([VERSION]):
        raise Newer(f"envelope version {value[3]}, this reader knows {VERSION}")
    stored = value[8:]
    if int.from_bytes(value[4:8], "little") != crc32c(stored + (key or b"")):
        raise Damaged("the checksum differs")
    if int.from_bytes(stored[:4], "little") != len(stored) - 4:
        raise Damaged("the length differs")
    reader = _Reader(stored, 4)
    flags = reader.take(1)[0]
    message: dict[str, Any] = {"key": key, "time_ms": reader.number(8), "headers": []}
    if flags & 2:
        message["headers"] = [(reader.text(), reader.text()) for _ in range(reader.varint())]
    if flags & 4:
        message["source"] = {
            "topic": reader.text(),
            "partition": reader.varint(),
            "offset": reader.varint(),
            "index": reader.varint(),
        }
    if flags & 8:
        message["stage"] = {"stage": reader.text(), "version": reader.varint(), "epoch": reader.varint()}
    if flags & 16:
        message["producer"] = {"id": reader.number(16), "sequence": reader.varint()}
    if flags & 32:
        message["schema_version"] = reader.varint()
    if flags & 64:
        message["trace_id"] = reader.number(16)
    message["payload"] = stored[reader.at :]
    return message


class _Reader:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise Damaged("it ends too early")
        self.at += count
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self) -> str:
        return self.take(self.varint()).decode()


def _table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC32C (Castagnoli) of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
