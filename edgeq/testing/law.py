"""How a broken law is told: which one it is, and how it was broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import onnx
import onnx_ir as ir


@dataclass(frozen=True)
class Law:
    """The numbered laws of one kind of thing."""

    #: what they are about, in the plural
    about: str

    def holds(self, number: int, words: str, true: bool, how: str) -> None:
        """Raise AssertionError unless it is true. words: the law. how: what would break it."""
        if not true:
            self.broken(number, words, how)

    def is_valid(self, number: int, model: ir.Model, where: str) -> None:
        """Raise AssertionError unless onnx's checker takes the model. where: told if not."""
        try:
            onnx.checker.check_model(ir.to_proto(model), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            self.broken(number, "a valid model", f"{where}: {error}")

    def broken(self, number: int, words: str, how: str) -> NoReturn:
        """Raise AssertionError: law `number` was broken in this way."""
        raise AssertionError(f"law {number} of {self.about}, {words}: {how}")
