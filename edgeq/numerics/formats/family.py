"""What a file of this folder says of the formats of one name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeq.numerics.formats.format import Format


@dataclass(frozen=True)
class Family:
    """The formats of one name; several where a size follows the name, as in two_level:16."""

    name: str
    #: one sentence for `edgeq formats`
    about: str
    #: the format of a size; without sizes it is called with 0
    make: Callable[[int], Format]
    #: the sizes that may follow the name behind a colon, the usual one first; none: nothing follows
    sizes: tuple[int, ...] = ()
    #: the module passes/store/store_NAME.py that writes its nodes; None: plain integers
    stored_by: str | None = None
    #: the format of a size for layers that compute in floats; None: the same
    floats: Callable[[int], Format] | None = None
