"""Read what people hold in Python as items: arrays by name or by place.

An item is one sample or one batch of samples; which of the two, the model's inputs tell later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from edgeq.data.checks import LABELS
from edgeq.errors import BadData
from edgeq.numerics.arrays import AnyArray

#: arrays of one item, by name, or by place where the item had no names
Item = dict[str | int, AnyArray]
#: the place of a label that came behind the inputs has no name; these names mean labels as well
_LABEL = "label"


def items_of(data: object, preprocess: Callable[[Any], object] | None) -> Iterator[Item]:
    """Yield the items of an iterable, a torch Dataset or a calibration reader, in their order.

    preprocess: makes an item of what the data yields; None: it is taken as it is. What the user's
    own code raises is not changed. Raises BadData for what is no item.
    """
    for index, found in enumerate(_elements(data)):
        where = f"item {index} of the data"
        yield _item(found if preprocess is None else preprocess(found), where)


def _elements(data: object) -> Iterable[object]:
    """What the data yields, one after the other."""
    reader = getattr(data, "get_next", None)
    if callable(reader):  # onnxruntime's CalibrationDataReader
        return iter(reader, None)
    if isinstance(data, Iterable):
        return data
    length, at = getattr(data, "__len__", None), getattr(data, "__getitem__", None)
    if callable(length) and callable(at):  # a torch Dataset has no end but its length
        return (at(index) for index in range(length()))
    raise BadData(
        f"Data of the type {type(data).__name__} cannot be read.",
        "data",
        "Give a path, an array, a mapping of arrays, or an iterable of samples: arrays, tuples or mappings.",
    )


def _item(found: object, where: str) -> Item:
    if isinstance(found, Mapping):
        return {_named(str(name), found): as_array(value, f"{where}, `{name}`") for name, value in found.items()}
    if isinstance(found, tuple) or (isinstance(found, list) and any(hasattr(part, "shape") for part in found)):
        return {place: as_array(value, f"{where}, place {place}") for place, value in enumerate(found)}
    return {0: as_array(found, where)}


def _named(name: str, item: Mapping[Any, object]) -> str:
    """The name of an array; a column `label` is one of labels where no other is."""
    return LABELS[0] if name == _LABEL and not any(other in item for other in LABELS) else name


def as_array(value: object, where: str) -> AnyArray:
    """A tensor, an image, numbers or an array as an array. Raises BadData."""
    detach = getattr(value, "detach", None)
    if callable(detach):  # a torch tensor, on whatever device
        value = detach().cpu()
        value = value.float() if str(getattr(value, "dtype", "")) == "torch.bfloat16" else value  # type: ignore[attr-defined]
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as problem:
        raise BadData(f"The values are not an array: {problem}", where, "Give rows of one shape.") from None
    if array.dtype.kind not in "biufUSV" or array.dtype.names is not None:
        what = f"The values are Python objects ({type(value).__name__}) and no numbers."
        raise BadData(what, where, "Give arrays, tensors or numbers; `preprocess` can make them.")
    return array
