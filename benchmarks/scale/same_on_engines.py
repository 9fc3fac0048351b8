"""Run one model on every engine, with faults, and end with exit code 1 at the first difference.

`python -m benchmarks.scale.same_on_engines model.onnx data.npz` compares the bytes of plan and
model with those of one thread of one process: two processes, five sizes of shards, shards that end
in reversed order, workers that are killed at random moments, and a command that is killed and goes
on (--work). With --ray, two actors of Ray as well, of which one is killed likewise. Each line: what
was done, CPU seconds of this process and of its children, load of the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import TYPE_CHECKING

import onnx_ir as ir

import edgeq
from benchmarks.scale.faults import Reversed, killing
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine
from edgeq.engines.workers import Workers

if TYPE_CHECKING:
    from edgeq.engines.ray import RayActors

#: samples of a shard
SIZES = (1, 3, 8, 20, 1000)


@dataclass(frozen=True)
class Work:
    """What is done, again and again."""

    model: Path
    data: Path
    recipe: dict[str, object]

    def digest(self, engine: Engine, work: Path | None = None) -> str:
        """sha256 of the plan and of the model, which are the same on any engine."""
        with using(engine):
            made = edgeq.quantize(self.model, self.data, recipe=self.recipe, work=work)
        return hashlib.sha256(made.plan.to_json().encode() + ir.to_proto(made.model).SerializeToString(deterministic=True)).hexdigest()


class Differs(Exception):
    """Another plan or model."""


@dataclass
class Check:
    """Compares with the first result."""

    work: Work
    wanted: str = ""

    def same(self, name: str, digest: Callable[[], str]) -> None:
        """Raises Differs."""
        begun, start = os.times(), monotonic()
        found = digest()
        now = os.times()
        own, theirs = now.user + now.system - begun.user - begun.system, now.children_user - begun.children_user
        took, load = monotonic() - start, os.getloadavg()[0]
        print(f"{name:44} {found[:12]} {own:7.1f} s here {theirs:7.1f} s in children {took:6.0f} s wall, load {load:.0f}", flush=True)
        self.wanted = self.wanted or found
        if found != self.wanted:
            raise Differs(name)


def by(work: Work, pool: Processes | RayActors, shard: int | None, kill_after: float | None = None) -> str:
    """The digest by the workers of a pool."""
    with nullcontext() if kill_after is None else killing(pool.pids, kill_after):
        return work.digest(Workers(pool, shard=shard))


def with_workers(work: Work, shard: int | None, kill_after: float | None = None) -> str:
    """The digest by two processes."""
    pool = Processes(2)
    try:
        return by(work, pool, shard, kill_after)
    finally:
        pool.close()


def resumed(arguments: Sequence[str], seconds: float, folder: Path) -> None:
    """Run this script in a process of its own, and kill it after so many seconds."""
    running = subprocess.Popen([sys.executable, "-m", __spec__.name, *arguments, "--once", str(folder)])
    sleep(seconds)
    running.kill()
    running.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--search", type=float, metavar="DB", help="search for a plan of so many dB")
    parser.add_argument("--kills", type=int, default=3, help="runs in which a worker is killed")
    parser.add_argument("--resumes", type=int, default=2, help="runs that are killed and go on")
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    recipe: dict[str, object] = {} if asked.samples is None else {"samples": asked.samples}
    if asked.search is not None:
        recipe |= {"effort": "best", "minutes": 600.0, "floors": {"min_sqnr": asked.search}}
    work = Work(asked.model, asked.data, recipe)
    if asked.once is not None:
        kept(work, asked.once)
        return
    try:
        compare(work, asked.kills, asked.resumes, ray=asked.ray)
    except Differs as difference:
        sys.exit(f"differs: {difference}")


def kept(work: Work, folder: Path) -> str:
    """The digest by two processes that keep what is finished."""
    from edgeq.engines.opened import opened
    from edgeq.engines.wish import EngineWish

    with opened(EngineWish(name="processes", workers=2), folder) as engine:
        return work.digest(engine, folder)


def compare(work: Work, kills: int, resumes: int, *, ray: bool) -> None:
    """All comparisons. Raises Differs."""
    check, chance = Check(work), Random(0)
    check.same("local, one thread", lambda: work.digest(Local(1)))
    begun = monotonic()
    check.same("two processes", lambda: with_workers(work, None))
    seconds = monotonic() - begun
    for size in SIZES:
        check.same(f"shards of {size}, the last ends first", lambda size=size: work.digest(Reversed(1, size)))  # type: ignore[misc]
    for place in range(kills):
        after = chance.uniform(0, seconds)
        size = SIZES[place % len(SIZES)]
        check.same(f"killed after {after:.1f} s, shards of {size}", lambda size=size, after=after: with_workers(work, size, after))  # type: ignore[misc]
    for _ in range(resumes):
        with tempfile.TemporaryDirectory() as folder:
            after = chance.uniform(0, seconds)
            resumed([argument for argument in sys.argv[1:] if argument != "--ray"], after, Path(folder))
            check.same(f"ended after {after:.1f} s, goes on", lambda folder=folder: kept(work, Path(folder)))  # type: ignore[misc]
    if ray:
        on_ray(check, work, kills, chance)


def on_ray(check: Check, work: Work, kills: int, chance: Random) -> None:
    """The same by two actors of Ray, which stay."""
    from edgeq.engines.ray import RayActors

    pool = RayActors(2)
    check.same("two actors of Ray", lambda: by(work, pool, None))
    begun = monotonic()
    check.same("two actors of Ray, shards of 8", lambda: by(work, pool, 8))
    seconds = monotonic() - begun
    for place in range(kills):
        after, size = chance.uniform(0, seconds), SIZES[place % len(SIZES)]
        check.same(f"actor killed after {after:.1f} s, shards of {size}", lambda size=size, after=after: by(work, pool, size, after))  # type: ignore[misc]
    pool.close()


if __name__ == "__main__":
    main()
