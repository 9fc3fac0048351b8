"""Weight codes as text: exact, and refused where damaged or too large."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgeq.errors import BadPlan
from edgeq.planning.weight_grids import symmetric_grid
from edgeq.schema.plan_parts import on_grid
from edgeq.schema.plan_parts.codes import ROOM, ROOM_A_BYTE, Room, as_text, from_text, room_for, shaped
from edgeq.schema.target import load_target
from edgeq.schema.weights import integer_weight


@given(npst.arrays(st.sampled_from([np.int8, np.uint8]), npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_codes_as_text_and_back(codes: np.ndarray) -> None:
    back = shaped(from_text(as_text(codes), str(codes.dtype), Room(codes.nbytes)), codes.shape, "here")
    assert back.dtype == codes.dtype
    assert np.array_equal(back, codes)


def test_codes_of_a_transposed_array_are_stored_row_by_row() -> None:
    codes = np.arange(6, dtype=np.int8).reshape(2, 3).T
    assert np.array_equal(shaped(from_text(as_text(codes), "int8", Room(6)), (3, 2), "here"), codes)


def text_of(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        base64.b64encode(b"not zlib").decode(),
        base64.b64encode(zlib.compress(b"123456")[:-4]).decode(),  # all bytes, but the checksum is gone
        base64.b64encode(zlib.compress(b"123456") + b"more").decode(),
    ],
)
def test_damaged_codes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="damaged"):
        from_text(text, "int8", Room(6))


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = text_of(bytes(1 << 28))
    assert room_for(bomb).left < ROOM + ROOM_A_BYTE * (1 << 20)
    with pytest.raises(ValueError, match="more memory"):
        from_text(bomb, "int8", Room((1 << 28) - 1))


def test_the_codes_of_a_plan_share_its_room() -> None:
    room, text = Room(10), text_of(b"123456")
    from_text(text, "int8", room)
    assert room.left == 4
    with pytest.raises(ValueError, match="more memory"):
        from_text(text, "int8", room)


@pytest.mark.parametrize("shape", [(5,), (7,), (2, 2), (2, 3, 2), ()])
def test_too_few_or_too_many_codes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadPlan, match="6 codes"):
        shaped(np.zeros(6, np.int8), shape, "weight fc:1")


@pytest.mark.parametrize(("room", "times"), [(100, 1), (99, 2)])
def test_the_text_of_codes_is_made_once_unless_they_are_many(room: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(on_grid, "as_text", lambda codes: made.append(codes) or as_text(codes))
    monkeypatch.setattr(on_grid, "KEPT_CODES", room)
    weight = integer_weight(symmetric_grid(np.ones(1, np.float32), None, load_target("cpu").weights), "mse", "a test")
    for codes in (np.ones((9, 11), np.int8), np.zeros((9, 11), np.int8)):  # another weight has a text of its own
        one = weight.with_codes(codes)
        made.clear()
        texts = {one.model_dump_json() for _ in range(2)}
        assert len(made) == times
        assert len(texts) == 1
        assert as_text(codes) in texts.pop()
