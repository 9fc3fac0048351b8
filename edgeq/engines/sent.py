"""A model on its way to workers: packed once for all jobs, and read there when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir  # takes a second, which workers need only where there is a model

#: the graph of a model as bytes, and those of its large weights
Pieces = tuple[bytes, Sequence[memoryview]]


class Sent:
    """A model that nobody changes as long as this is used."""

    def __init__(self, read: Callable[[], ir.Model], pieces: Callable[[], Pieces]) -> None:
        """read: the model. pieces: what it is packed into."""
        self._read, self._pieces = read, pieces

    @classmethod
    def of(cls, model: ir.Model) -> Sent:
        """A model of this process."""

        def pieces() -> Pieces:
            from edgeq.engines.packed_model import pieces_of

            return pieces_of(model)

        return cls(lambda: model, pieces)

    @cached_property
    def model(self) -> ir.Model:
        """The model; read now, where it came from elsewhere."""
        return self._read()

    @cached_property
    def pieces(self) -> Pieces:
        """The model as bytes."""
        return self._pieces()

    @property
    def to_open(self) -> ir.Model | bytes:
        """What a session is opened from: bytes, unless there are large weights beside them."""
        graph, weights = self.pieces
        return self.model if weights else graph
