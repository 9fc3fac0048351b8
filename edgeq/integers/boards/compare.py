"""Find the first operator that a board computes otherwise, and the rule that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeq.errors import BadData
from edgeq.integers.boards.golden_values import DOCUMENT, MODEL, PREFIX, Grid, Operator, Value, Values, as_codes, parse_values, read_back
from edgeq.integers.boards.rules import RULES, Rule, recomputed
from edgeq.integers.reading.operation import Operation
from edgeq.numerics.arrays import I64, AnyArray


@dataclass(frozen=True)
class NamedGrid:
    """A value and its grid."""

    name: str
    #: numpy name of its type in the file
    dtype: str
    #: None: whole numbers that are no codes
    grid: Grid | None


@dataclass(frozen=True)
class BoardDifference:
    """The first operator whose output differs, or the first input that does."""

    #: place among the operators, from 0; None: an input of the model, of which nothing is computed
    place: int | None
    #: name and type of the operator; of an input, its name and "input"
    operator: str
    op_type: str
    #: what it reads
    inputs: tuple[NamedGrid, ...]
    #: the value that differs
    output: NamedGrid
    #: number of codes that differ, and that were compared
    differing: int
    codes: int
    #: largest difference in codes
    largest: int
    #: where the first difference is: sample, then the indices of the value
    index: tuple[int, ...]
    #: the codes there
    golden: int
    board: int
    #: rules by which the operator gives exactly the board's codes from the board's own inputs; more
    #: than one where these samples do not tell them apart; empty: none of those that are tried
    rules: tuple[Rule, ...]
    #: inputs that the board's file does not have: the golden ones stood in for them
    assumed: tuple[str, ...]


@dataclass(frozen=True)
class BoardComparison:
    """What came of comparing a board with golden values."""

    #: the first difference in the order of execution; None: nothing that was compared differs
    first: BoardDifference | None
    #: names of values that both files have, in the order of execution
    compared: tuple[str, ...]
    #: names of values that the board's file does not have
    missing: tuple[str, ...]
    #: names in the board's file that the golden one does not have
    unknown: tuple[str, ...]
    #: number of samples that were compared
    samples: int


def compare_board(golden: Mapping[str, AnyArray], board: Mapping[str, AnyArray], where: str = "the golden file") -> BoardComparison:
    """Compare a board's values with golden ones, operator after operator.

    golden: the entries of a golden file with layers. board: value_NAME, or NAME, -> codes of the
    same type; fewer samples than the golden ones and other shapes of the same size are fine. Raises
    BadData for a golden file without layers, for a board without any of its values, and for one
    whose types or sizes do not fit.
    """
    document = parse_values(golden, where)
    names = {name.removeprefix(PREFIX): name for name in board}
    shared = [name for name in document.values if name in names]
    known = {*document.values, MODEL, DOCUMENT}  # a board may give a whole golden file back
    unknown = tuple(sorted(name for name in names if name not in known and not name.startswith(("in_", "out_"))))
    if not shared:
        fix = f"Name its arrays as the golden file does, such as {PREFIX}{next(iter(document.values), 'NAME')}."
        raise BadData("The board's file has none of the golden file's values.", ", ".join(unknown[:5]) or "it is empty", fix)
    wanted = {name: _golden(golden, name, value, document, where) for name, value in document.values.items()}
    found = {name: _fitting(board[names[name]], document.values[name], name) for name in shared}
    samples = min(document.samples, *(len(array) for array in found.values()))
    one = _Board(document, wanted, found, samples, bytes(golden[MODEL].astype(np.uint8).tobytes()))
    missing = tuple(name for name in document.values if name not in found)
    return BoardComparison(one.first(), tuple(shared), missing, unknown, samples)


@dataclass(frozen=True, eq=False)
class _Board:
    """Both sides of a comparison, [N, ...] in int8 codes or whole numbers."""

    document: Values
    golden: Mapping[str, I64]
    board: Mapping[str, I64]
    samples: int
    model: bytes

    def first(self) -> BoardDifference | None:
        made = {name for operator in self.document.operators for name in operator.outputs}
        for name in self.document.values:
            if name not in made and self._differs(name):
                return self._difference(None, Operator(name=name, op_type="input", inputs=(), outputs=(name,)), name)
        for place, operator in enumerate(self.document.operators):
            for name in operator.outputs:
                if self._differs(name):
                    return self._difference(place, operator, name)
        return None

    def _differs(self, name: str) -> bool:
        return name in self.board and not np.array_equal(self.golden[name][: self.samples], self.board[name][: self.samples])

    def _difference(self, place: int | None, operator: Operator, name: str) -> BoardDifference:
        wanted, found = self.golden[name][: self.samples], self.board[name][: self.samples]
        apart = np.abs(wanted - found)
        index = tuple(int(axis) for axis in np.argwhere(apart)[0])
        inputs = tuple(self._named(one) for one in operator.inputs if one in self.document.values)
        return BoardDifference(
            place, operator.name, operator.op_type, inputs, self._named(name), int((apart > 0).sum()), apart.size, int(apart.max()),
            index, int(wanted[index]), int(found[index]), () if place is None else self._rules(place, operator),
            tuple(one.name for one in inputs if one.name not in self.board),
        )  # fmt: skip

    def _rules(self, place: int, operator: Operator) -> tuple[Rule, ...]:
        """The rules that give the board's codes for every sample and output that it has."""
        if any(name not in self.document.values for name in operator.inputs):
            return ()  # it reads floats
        operation = self._operation(place)
        return tuple(rule for rule in RULES if all(self._explains(operation, rule, sample) for sample in range(self.samples)))

    def _explains(self, operation: Operation, rule: Rule, sample: int) -> bool:
        inputs = {one.name: self.board.get(one.name, self.golden[one.name])[sample] for one in operation.inputs}
        made = recomputed(operation, inputs, rule)
        if made is None:
            return False
        return all(np.array_equal(made[name], self.board[name][sample]) for name in made if name in self.board)

    def _operation(self, place: int) -> Operation:
        _, operations = read_back(self.model, self.document.form)
        wanted = self.document.operators[place]
        if place >= len(operations) or (operations[place].name, operations[place].op_type) != (wanted.name, wanted.op_type):
            fix = "Write it again with edgeq quantize --golden N --layers."
            raise BadData("The model in the golden file is another than the one of its values.", f"operator {wanted.name}", fix)
        return operations[place]

    def _named(self, name: str) -> NamedGrid:
        value = self.document.values[name]
        return NamedGrid(name, value.dtype, value.grid)


def _golden(golden: Mapping[str, AnyArray], name: str, value: Value, document: Values, where: str) -> I64:
    array = golden.get(f"{PREFIX}{name}")
    if array is None or array.shape != (document.samples, *value.shape) or str(array.dtype) != value.dtype:
        raise BadData(f"The codes of value {name} are missing or not what the file says.", where, "Write the golden file again.")
    return as_codes(array, value)


def _fitting(array: AnyArray, value: Value, name: str) -> I64:
    """A board's codes in the shape of the golden ones."""
    size = int(np.prod(value.shape))
    low, high = (0, 1) if value.dtype == "bool" else (np.iinfo(value.dtype).min, np.iinfo(value.dtype).max)
    fits = array.dtype.kind in "iub" and array.size > 0 and array.size % max(size, 1) == 0
    if not fits or int(array.min()) < low or int(array.max()) > high:
        sizes = ", ".join(map(str, ("N", *value.shape)))
        what = f"The board's {name} has {array.dtype} {list(array.shape)}, and the golden one {value.dtype} [{sizes}]."
        raise BadData(what, f"value {name}", f"Give its codes as {value.dtype}, for whole samples.")
    return as_codes(array.reshape(-1, *value.shape), value)
