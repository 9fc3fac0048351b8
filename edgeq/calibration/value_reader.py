"""Read named values of a model, stage by stage, so that only the values in flight are in memory.

A runtime keeps all outputs of a model until its run ends. So a model whose wanted values are large
is cut into stages, each a model of its own, which read what earlier ones leave. Where it is cut
depends on the model, on the names and on the first sample's shapes, never on the memory that there
is, and so do the numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import onnx_ir as ir

from edgeq.calibration.memory import return_freed_memory
from edgeq.calibration.value_sizes import value_sizes
from edgeq.graph.expose import expose
from edgeq.graph.liveness import part_of, reads
from edgeq.numerics.arrays import AnyArray
from edgeq.runtimes.ort import Session, open_session

#: the most bytes of wanted values that one stage hands out, unless a single one is larger
STAGE_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class _Stage:
    """A part of a model."""

    model: ir.Model
    #: output name -> name of the wanted value
    wanted: Mapping[str, str]
    #: names of the values that later stages read
    carried: tuple[str, ...]


class ValueReader:
    """Reads named values of a model; several threads share its sessions.

    A session is opened when it is first needed.
    """

    def __init__(self, model: ir.Model, names: Iterable[str], example: Mapping[str, AnyArray]) -> None:
        """example: feeds of one run, whose shapes tell how large the values are."""
        wanted = dict.fromkeys(names)
        exposed, outputs = expose(model, wanted)
        inputs = {value.name for value in model.graph.inputs}
        self._fed = [name for name in wanted if name in inputs]
        sizes = value_sizes(model, outputs, example) if outputs else {}
        self._stages = _stages(exposed, {output: name for name, output in outputs.items()}, sizes) if outputs else []
        self._sessions: dict[int, Session] = {}
        self._lock = threading.Lock()
        #: about how many bytes a run takes
        self.bytes = max(1, 4 * max(min(STAGE_BYTES, sum(sizes.values())), max(sizes.values(), default=0)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the sessions: what they hold for the next run is the largest part of a pass."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def each(self, feeds: Mapping[str, AnyArray], names: Collection[str] | None) -> Iterator[tuple[str, AnyArray]]:
        """The values for these feeds, or those of them in `names`; values without elements are left
        out.
        """
        for name in self._fed:
            if (names is None or name in names) and feeds[name].size:
                yield name, feeds[name]
        due = [[output for output, name in stage.wanted.items() if names is None or name in names] for stage in self._stages]
        last = max((place for place, outputs in enumerate(due) if outputs), default=-1)
        alive = dict(feeds)
        for place, (stage, outputs) in enumerate(zip(self._stages[: last + 1], due, strict=False)):
            kept = stage.carried if place < last else ()
            asked = list(dict.fromkeys([*outputs, *(name for name in kept if name not in alive)]))
            session = self._session(place)
            arrays = session.run({spec.name: alive[spec.name] for spec in session.inputs}, asked)
            found = dict(zip(asked, arrays, strict=True))
            del arrays
            alive = {name: array for name, array in (alive | found).items() if name in feeds or name in kept}
            for output in outputs:
                array = found.pop(output)
                if array.size:
                    yield stage.wanted[output], array
                del array
            if len(self._stages) > 1:
                return_freed_memory()

    def _session(self, place: int) -> Session:
        with self._lock:
            if place not in self._sessions:
                self._sessions[place] = open_session(self._stages[place].model, threads=1, arena=len(self._stages) == 1)
            return self._sessions[place]


def _stages(model: ir.Model, wanted: Mapping[str, str], sizes: Mapping[str, int]) -> list[_Stage]:
    """The exposed model in stages. wanted: output name -> name of the value."""
    if sum(sizes.get(name, 0) for name in wanted.values()) <= STAGE_BYTES:
        return [_Stage(model, wanted, ())]
    parts = _cut(list(model.graph), wanted, sizes)
    made: list[set[str]] = [{str(value.name) for node in part for value in node.outputs} for part in parts]
    read = [{str(value.name) for node in part for value in reads(node)} for part in parts]
    given = {str(value.name) for value in model.graph.inputs}
    stages = []
    for place, outputs in enumerate(made):
        later = set[str]().union(*read[place + 1 :])
        earlier = given.union(*made[:place]) & read[place]
        carried = tuple(sorted(given.union(*made[: place + 1]) & later - given))
        own = {output: name for output, name in wanted.items() if output in outputs}
        part = part_of(model, parts[place], sorted(earlier), list(dict.fromkeys([*own, *(name for name in carried if name in outputs)])))
        stages.append(_Stage(part, own, carried))
    return stages


def _cut(steps: list[ir.Node], wanted: Mapping[str, str], sizes: Mapping[str, int]) -> list[list[ir.Node]]:
    """The nodes in runs of at most STAGE_BYTES of wanted values, where a cut is possible."""
    last = {value: place for place, node in enumerate(steps) for value in reads(node)}
    parts: list[list[ir.Node]] = [[]]
    alive: set[ir.Value] = set()
    held = 0
    for place, node in enumerate(steps):
        more = sum(sizes.get(wanted[str(value.name)], 0) for value in node.outputs if value.name in wanted)
        if held and more and held + more > STAGE_BYTES and all(_can_be_fed(value) for value in alive):
            parts.append([])
            held = 0
        parts[-1].append(node)
        held += more
        alive.update(value for value in node.outputs if last.get(value, place) > place)
        alive.difference_update([value for value in reads(node) if last[value] == place])
    return parts


def _can_be_fed(value: ir.Value) -> bool:
    return isinstance(value.type, ir.TensorType) and value.dtype is not None and value.dtype != ir.DataType.UNDEFINED
