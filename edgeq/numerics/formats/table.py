"""The formats by name. The files of this folder that define FAMILIES are all there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from edgeq.errors import BadRecipe, hint
from edgeq.numerics.formats.family import Family
from edgeq.numerics.formats.format import Format


@cache
def families() -> Mapping[str, Family]:
    """Every family of formats by its name, sorted."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in ("__init__", "table"))
    modules = [import_module(f"edgeq.numerics.formats.{file}") for file in files]
    found: list[Family] = [one for module in modules for one in getattr(module, "FAMILIES", ())]
    return MappingProxyType({one.name: one for one in sorted(found, key=lambda one: one.name)})


def format_words() -> tuple[str, ...]:
    """The formats as users write them, one word a family, with its usual size.

    >>> [word for word in format_words() if word.startswith("int")]
    ['int4', 'int8']
    """
    return tuple(f"{one.name}:{one.sizes[0]}" if one.sizes else one.name for one in families().values())


def family_of(format: Format) -> Family:
    """The family that a format belongs to."""
    return families()[format.name.partition(":")[0]]


def in_floats(format: Format) -> Format:
    """The format as layers have it that compute in floats.

    >>> form = parse_format("block:32")
    >>> form.nominal_bits, in_floats(form).nominal_bits
    (4.125, 5.0)
    """
    floats = family_of(format).floats
    return format if floats is None else floats(int(format.name.partition(":")[2] or 0))


def parse_format(word: str, where: str = "--format") -> Format:
    """The format that a word names, such as int4 or two_level:16.

    where: what the word was given as, for the message. Raises BadRecipe for a name or a size that
    does not exist, with the list of those that do.

    >>> parse_format("int4").nominal_bits
    4
    """
    name, colon, size = word.strip().partition(":")
    family = families().get(name)
    if family is None:
        raise BadRecipe(
            f"There is no weight format {word!r}.", where, f"{hint(word, format_words())}Use one of: {', '.join(format_words())}."
        )
    if not family.sizes:
        if colon:
            raise BadRecipe(f"The weight format {name} takes no size, and {word!r} has one.", where, f"Write {name}.")
        return family.make(0)
    if not re.fullmatch(r"\d{1,6}", size) or int(size) not in family.sizes:
        sizes = ", ".join(str(one) for one in sorted(family.sizes))
        raise BadRecipe(f"{word!r} has no size that the weight format {name} takes.", where, f"Write {name}:N, where N is one of: {sizes}.")
    return family.make(int(size))
