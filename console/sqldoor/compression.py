"""Compressed requests, and answers in ClickHouse's own compressed blocks.

Clients ask for blocks by ``compress=1`` and send them with ``decompress=1``. A block is a CityHash128 of what follows,
a byte that names the method, the length of header and data, the data's length without compression, and the data. What
HTTP calls Content-Encoding the engine writes by itself; here it is read only.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Any

from lz4.block import LZ4BlockError, compress, decompress
from lz4.frame import LZ4FrameDecompressor

from console.sqldoor.exceptions import CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH, NOT_IMPLEMENTED, door_error

_CHECKSUM = struct.Struct("<QQ")
_HEADER = struct.Struct("<BII")
_NONE, _LZ4 = 0x02, 0x82
_HALF = (1 << 64) - 1

_ENCODINGS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16),
    "deflate": zlib.decompressobj,
    "lz4": LZ4FrameDecompressor,
}

BLOCK = 1024 * 1024
"""Bytes of a block before compression, at most; as many as ClickHouse takes."""


def opened_body(body: bytes, encoding: str, at_most: int) -> bytes:
    """Return a request's body without its Content-Encoding.

    Args:
        body: All of it.
        encoding: The header, in lower case.
        at_most: Bytes to give.

    Raises:
        DoorError: It is not what the header says, too large, or compressed in a way that is not taken.
    """
    if encoding == "identity":
        return body
    if encoding not in _ENCODINGS:
        raise door_error(NOT_IMPLEMENTED, f"Requests are taken with the encodings {', '.join(_ENCODINGS)}, or none")
    opening = _ENCODINGS[encoding]()
    try:
        opened: bytes = opening.decompress(body, at_most)
    except (zlib.error, RuntimeError):
        raise door_error(CANNOT_DECOMPRESS, "The request cannot be decompressed") from None
    if not opening.eof:
        raise door_error(CANNOT_DECOMPRESS, f"The request breaks off, or holds more than {at_most} bytes")
    return opened


def compressed_blocks(data: bytes) -> bytes:
    """Return bytes as blocks; none of none."""
    return b"".join(_block(data[start : start + BLOCK]) for start in range(0, len(data), BLOCK))


def bytes_of_blocks(blocks: bytes, at_most: int) -> bytes:
    """Return what blocks hold.

    Args:
        blocks: All of them.
        at_most: Bytes to give; blocks that claim more are not opened.

    Raises:
        DoorError: They are none, hold too much, or use another method than LZ4.
    """
    found = bytearray()
    at = 0
    while at < len(blocks):
        start = at + _CHECKSUM.size
        if len(blocks) < start + _HEADER.size:
            raise door_error(CANNOT_DECOMPRESS, "The request ends within a compressed block")
        method, packed_size, size = _HEADER.unpack_from(blocks, start)
        at = start + packed_size
        if packed_size < _HEADER.size or at > len(blocks) or len(found) + size > at_most:
            raise door_error(CANNOT_DECOMPRESS, "The request has a compressed block of no possible length")
        block = blocks[start:at]
        if _checksum(block) != blocks[start - _CHECKSUM.size : start]:
            raise door_error(CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: the request was garbled")
        found += _opened(method, block[_HEADER.size :], size)
    return bytes(found)


def _block(data: bytes) -> bytes:
    packed: bytes = compress(data, store_size=False)
    block: bytes = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(data)) + packed
    return _checksum(block) + block


def _opened(method: int, data: bytes, size: int) -> bytes:
    if method not in (_NONE, _LZ4):
        raise door_error(NOT_IMPLEMENTED, "Compressed requests are taken with LZ4 only")
    try:
        opened = data if method == _NONE else bytes(decompress(data, uncompressed_size=size))
    except LZ4BlockError:
        opened = None
    if opened is None or len(opened) != size:
        raise door_error(CANNOT_DECOMPRESS, "The request has a block that cannot be decompressed")
    return opened


def _checksum(block: bytes) -> bytes:
    # Only here: none but clients that ask for these blocks need it.
    from clickhouse_cityhash.cityhash import CityHash128

    found = CityHash128(block)
    return _CHECKSUM.pack(found >> 64, found & _HALF)
