"""Damage to bytes of any format: flipped, cut, repeated, overwritten with odd numbers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.fuzz.odd import INTEGERS

Damage = Callable[[Random, bytearray], None]


def _flip(random: Random, data: bytearray) -> None:
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _cut(random: Random, data: bytearray) -> None:
    del data[random.choice((random.randrange(len(data)), len(data) - 1, len(data) // 2, min(len(data), 16))) :]


def _remove(random: Random, data: bytearray) -> None:
    start = random.randrange(len(data))
    del data[start : start + random.choice((1, 4, 64))]


def _repeat(random: Random, data: bytearray) -> None:
    start = random.randrange(len(data))
    data[start:start] = data[start : start + random.choice((1, 4, 64, 1024))]


def _insert(random: Random, data: bytearray) -> None:
    start = random.randrange(len(data))
    data[start:start] = random.randbytes(random.choice((1, 4, 64)))


def _word(random: Random, data: bytearray) -> None:
    """Overwrite aligned words with odd numbers: offsets, lengths and counts of binary formats."""
    width = random.choice((1, 2, 4, 4, 8))
    for _ in range(random.choice((1, 1, 2, 4))):
        start = random.randrange(len(data)) // width * width
        data[start : start + width] = (random.choice(INTEGERS) % (1 << 8 * width)).to_bytes(width, "little")


def _append(random: Random, data: bytearray) -> None:
    data += random.randbytes(random.choice((1, 100, 5000)))


def _empty(random: Random, data: bytearray) -> None:
    data[:] = random.choice((b"", b"\x00" * 100, b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\n"))


_DAMAGES: tuple[Damage, ...] = (_flip, _flip, _cut, _cut, _remove, _repeat, _insert, _word, _word, _word, _append)


def mutate_bytes(random: Random, data: bytes) -> bytes:
    """A damaged copy; empty data stays empty."""
    changed = bytearray(data)
    if random.random() < 0.03:
        _empty(random, changed)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if changed:
            random.choice(_DAMAGES)(random, changed)
    return bytes(changed)
