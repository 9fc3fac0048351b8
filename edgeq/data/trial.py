"""Judge whether a sample with unusual values is data or damage: the float model decides.

Infinities are the normal form of an attention mask, and NaN that of a missing value in a table;
both also come from a preprocessing that divides by zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgeq.data.conversion import kind_of
from edgeq.errors import BadData, RuntimeRefused
from edgeq.graph.read import ONNX_DOMAINS, is_op, nodes
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session


class Trial:
    """Runs samples with unusual values through the float model."""

    def __init__(self, model: ir.Model) -> None:
        self._model = model
        self._session: Session | None = None
        # trees and imputers of the domain ai.onnx.ml have a way of their own for missing values
        self._knows_nan = any(is_op(node, "IsNaN", "IsInf") or node.domain not in ONNX_DOMAINS for node in nodes(model))

    def __getstate__(self) -> dict[str, object]:
        """Without the session: whoever gets a copy opens its own."""
        return self.__dict__ | {"_session": None}

    def accepts(self, feeds: Mapping[str, AnyArray], has_nan: bool) -> bool:
        """Whether the model runs on the feeds and gives finite outputs.

        NaN must be asked for by the model too: a Relu or a MaxPool would hide it.
        """
        if has_nan and not self._knows_nan:
            return False
        self._session = self._session or open_session(self._model)
        try:
            outputs = self._session.run(feeds)
        except RuntimeRefused:
            return False
        return all(bool(np.isfinite(array).all()) for array in outputs if array.dtype.kind == "f")


def check_values(feeds: Mapping[str, AnyArray], where: str, trial: Trial | None) -> None:
    """Raise BadData for NaN, for infinite values and for a sample without any element.

    They pass where the float model is known and its outputs are finite.
    """
    strange = next((name for name, array in feeds.items() if not _all_finite(array)), None)
    empty = bool(feeds) and not any(array.size for array in feeds.values())
    if strange is None and not empty:
        return
    has_nan = any(kind_of(array.dtype) == "f" and bool(np.isnan(array).any()) for array in feeds.values())
    if trial is not None and trial.accepts(feeds, has_nan):
        return
    if strange is None:
        shapes = ", ".join(f"`{name}` {list(array.shape)}" for name, array in feeds.items())
        raise BadData(f"The sample is empty: {shapes}.", where, "Leave empty samples out.")
    nans, infinite = int(np.isnan(feeds[strange]).sum()), int(np.isinf(feeds[strange]).sum())
    what = f"Input `{strange}` holds {nans} NaN and {infinite} infinite values."
    raise BadData(what, where, "Correct this sample or leave it out; look at the preprocessing (division by zero, log of zero).")


def _all_finite(array: AnyArray) -> bool:
    # min and max propagate every NaN and infinity, and are cheaper than a mask
    return kind_of(array.dtype) != "f" or not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))
