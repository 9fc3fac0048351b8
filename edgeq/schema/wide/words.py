"""The words of a recipe that ask for activations of 16 bits: TYPE, or PATTERN=TYPE."""

from __future__ import annotations

from collections.abc import Sequence

#: types of activations of 16 bits
WIDE_TYPES = ("int16", "uint16")


def check_words(words: Sequence[str]) -> None:
    """Raises ValueError for a word that is neither, and for words of two types.

    >>> check_words(["int16", "Conv=int16"])
    """
    types = {word.rpartition("=")[2] for word in words}
    if len(types) > 1 or not types <= set(WIDE_TYPES) or any(word.startswith("=") for word in words):
        raise ValueError(f"each is {' or '.join(WIDE_TYPES)}, or PATTERN=TYPE with that type, and all of one type")
