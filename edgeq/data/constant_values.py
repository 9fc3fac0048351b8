"""Warn about values that were one number in all of the data, and name the inputs behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from edgeq.data.dataset import Dataset
from edgeq.data.doubts import Doubt
from edgeq.graph.read import values

#: values that a warning names
NAMED = 3


def constant_doubts(model: ir.Model, constants: Mapping[str, float], dataset: Dataset | None, *, integer_only: bool) -> tuple[Doubt, ...]:
    """One doubt for all values that follow from the same constant inputs.

    constants: value name -> its only number (Plan.constants). dataset: as surveyed; None: the
    inputs behind a value are not looked at. integer_only: whether the target has no float kernels.
    """
    still = () if dataset is None else constant_inputs(dataset)
    known = {str(value.name): value for value in values(model)} if constants and still else {}
    found: dict[ir.Value, frozenset[str]] = {}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(constants):
        value = known.get(name)
        groups.setdefault(() if value is None else tuple(sorted(_behind(value, still, found))), []).append(name)
    return tuple(Doubt("constant_values", _line(names, inputs, constants, integer_only)) for inputs, names in groups.items())


def constant_inputs(dataset: Dataset) -> tuple[str, ...]:
    """The inputs that hold one number, the same in all samples that a pass has seen."""
    survey = dataset.survey
    low, high = survey.low[survey.seen], survey.high[survey.seen]
    return tuple(name for column, name in enumerate(survey.names) if len(low) > 1 and low[:, column].min() == high[:, column].max())


def _behind(value: ir.Value, still: Sequence[str], found: dict[ir.Value, frozenset[str]]) -> frozenset[str]:
    """The constant inputs that the value is computed from. found: those of others, which grows."""
    waiting = [value]
    while waiting:
        one = waiting[-1]
        maker = one.producer()
        read = () if maker is None else [before for before in maker.inputs if before is not None]
        new = [before for before in read if before not in found]
        if new and one not in found:
            waiting += new
            continue
        waiting.pop()
        own = {str(one.name)} if one.name in still and one.is_graph_input() else set[str]()
        found[one] = frozenset(own.union(*(found[before] for before in read)))
    return found[value]


def _line(names: Sequence[str], inputs: Sequence[str], constants: Mapping[str, float], integer_only: bool) -> str:
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    what = ", ".join(f"`{name}` ({constants[name]:g})" for name in names[:NAMED]) + more
    subject, verb = ("Value", "was") if len(names) == 1 else ("Values", "were")
    cause = f", as input {' and '.join(f'`{name}`' for name in inputs)} was" if inputs else ""
    outcome = "a range was guessed, and other data may saturate" if integer_only else "what reads or makes it stays float"
    return f"{subject} {what} {verb} constant in all of the data{cause}: no range is known, so {outcome}. Give data in which it varies."
