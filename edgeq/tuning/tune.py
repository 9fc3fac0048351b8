"""Measure a column of costs on this machine, and name the shipped column that is most like it."""

from __future__ import annotations

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, thread_time

from edgeq.errors import BadTarget
from edgeq.progress import Progress
from edgeq.runtimes.ort import runtime_version
from edgeq.schema.cost import Column, Costs, KernelCost, Tuned
from edgeq.schema.target import Target
from edgeq.tuning.chain import Chain
from edgeq.tuning.chains import CHAINS
from edgeq.tuning.column import column
from edgeq.tuning.timing import measure

#: rounds over all chains: the shortest turns of so many differ by some hundredths, and all take
#: about two minutes
ROUNDS = 61
#: name of the column of a target that was tuned
HERE = "here"


def tuned(target: Target, threads: int, progress: Progress, rounds: int = ROUNDS, chains: Sequence[Chain] = CHAINS) -> Target:
    """The target with the costs of this machine alone.

    threads: of one operator. Raises BadTarget where this machine cannot run what the target
    describes.
    """
    if not target.runs_here or target.integer_only:
        what = f"The costs of {target.name} cannot be measured here: its models run elsewhere, or have no float kernels."
        raise BadTarget(what, "--target", "Tune cpu on x86-64, or run this on the machine that the target describes.")
    machine, day = processor(), datetime.now(UTC).date().isoformat()
    source = f"edgeq targets tune, {day}, onnxruntime {runtime_version()}"
    found = measured(threads, progress, rounds, source, machine, chains)
    return target.with_cost(Costs(tuned=Tuned(machine=machine, day=day, runtime=runtime_version()), columns={HERE: found}))


def measured(threads: int, progress: Progress, rounds: int, source: str, machine: str, chains: Sequence[Chain] = CHAINS) -> Column:
    """The column of this machine."""
    progress.start("measure kernels", len(chains) * (rounds + 1))
    # with one thread its own processor time counts, which other work does not lengthen
    clock = thread_time if threads == 1 else perf_counter
    return column(chains, measure(chains, threads, rounds, progress.advance, clock), machine, threads, source)


def processor() -> str:
    """The processor's name, as the operating system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next((name for name in named if name), platform.processor() or platform.machine())


def most_like(found: Column, columns: dict[str, Column]) -> tuple[str, float] | None:
    """The column whose ratios of integer to float figures are closest, and how far off they are.

    The distance is the mean factor between the ratios, over layers: 1.0 is the same. Ratios decide
    placement, and a machine that is faster at everything is no other machine to it.
    """
    far = {name: _distance(found, one) for name, one in columns.items() if one.threads == found.threads}
    return min(far.items(), key=lambda item: item[1]) if far else None


def _distance(one: Column, other: Column) -> float:
    kinds = sorted(kind for kind in one.kinds.keys() & other.kinds.keys() if _ratio(one.kinds[kind]) and _ratio(other.kinds[kind]))
    if not kinds:
        return math.inf
    return math.exp(sum(abs(math.log(_ratio(one.kinds[kind]) / _ratio(other.kinds[kind]))) for kind in kinds) / len(kinds))


def _ratio(cost: KernelCost) -> float:
    return cost.integer.mac / cost.float.mac if cost.float.mac else 0.0
