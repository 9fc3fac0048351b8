"""Integer weights as text in the JSON of a plan; in memory they are arrays."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadPlan
from edgeq.numerics.arrays import Ints

#: memory limit in bytes for the codes of a plan: a fixed part, and a part for each byte of its
#: text, so that a small file cannot request much memory
ROOM, ROOM_A_BYTE = 1 << 28, 64


@dataclass
class Room:
    """The memory that the codes of the plan being read may still take."""

    #: in bytes
    left: int


def room_for(text: str) -> Room:
    """The memory limit for the codes of a plan with this text."""
    return Room(ROOM + ROOM_A_BYTE * len(text))


def as_text(codes: Ints) -> str:
    """Encode int8 or uint8 codes: base64 of zlib of the row-major bytes."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(codes).tobytes(), 1)).decode("ascii")


def from_text(text: str, dtype: str, room: Room) -> Ints:
    """Decode what as_text wrote: codes [N] of `dtype`, whose bytes are deducted from `room`.

    Raises ValueError for damaged text, and for more codes than there is room for. The latter are
    not unpacked.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(base64.b64decode(text, validate=True), room.left + 1)
    except (ValueError, zlib.error):
        raise ValueError("the codes of a weight are damaged") from None
    if len(data) > room.left:
        raise ValueError("the codes of a weight take more memory than a file of this size may ask for")
    if not stream.eof or stream.unused_data:
        raise ValueError("the codes of a weight are damaged")
    room.left -= len(data)
    return np.frombuffer(data, dtype)


def shaped(codes: Ints, shape: tuple[int, ...], where: str) -> Ints:
    """The codes in the shape of their weight. Raises BadPlan if their number does not match."""
    if codes.size != int(np.prod(shape, dtype=np.int64)):
        what = f"The plan has {codes.size} codes for a weight of shape {list(shape)}."
        raise BadPlan(what, where, "Make the plan again with `edgeq quantize`.")
    return codes.reshape(shape)
