"""The integers of a weight as text: how they lie in the JSON of a plan. In memory they are an
array.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadPlan
from edgeq.numerics.arrays import Ints

#: what the codes of a plan may take in memory, bytes: so much in any case, and so much for each
#: byte of its text; a small file cannot ask for more
ROOM, ROOM_A_BYTE = 1 << 28, 64


@dataclass
class Room:
    """How many bytes the codes of the plan that is being read may still take."""

    left: int


def room_for(text: str) -> Room:
    """For the codes of a plan of this text."""
    return Room(ROOM + ROOM_A_BYTE * len(text))


def as_text(codes: Ints) -> str:
    """base64 of zlib of int8 or uint8, row-major."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(codes).tobytes(), 1)).decode("ascii")


def from_text(text: str, dtype: str, room: Room) -> Ints:
    """The inverse of as_text: [N]. Takes its bytes from the room. Raises ValueError for text that
    is damaged, or of more codes than there is room for: without unpacking those.
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
    """The codes in the shape of their weight. Raises BadPlan where they are too few or too many."""
    if codes.size != int(np.prod(shape, dtype=np.int64)):
        what = f"The plan has {codes.size} codes for a weight of shape {list(shape)}."
        raise BadPlan(what, where, "Make the plan anew with `edgeq quantize`.")
    return codes.reshape(shape)
