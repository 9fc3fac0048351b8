"""Run one model on every engine, with faults, and end with exit code 1 at the first difference.

`python -m benchmarks.scale.same_on_engines model.onnx data.npz` compares the bytes of plan and
model with those of one thread of one process: two processes, five sizes of shards, shards that end
in reversed order, workers that are killed at random moments, and a command that is killed and goes
on (--work). With --ray, two actors of Ray as well. Each line: what was done, CPU seconds of this
process and of its children, load of the machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import monotonic, sleep

import onnx_ir as ir

import edgeq
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine, Job, R, S, T
from edgeq.engines.workers import Workers
from edgeq.progress import Progress

#: samples of a shard
SIZES = (1, 3, 8, 20, 1000)


class Reversed(Local):
    """Several shards, of which the last is finished first."""

    workers = 3

    def run(self, job: Job[T, S, R], shards: Sequence[S], progress: Progress) -> Iterator[tuple[int, R]]:
        """See Engine."""
        yield from reversed(list(super().run(job, shards, progress)))


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


@contextmanager
def killing(pool: Processes, after: float) -> Iterator[None]:
    """Kill one worker after so many seconds."""
    over = threading.Event()

    def kill() -> None:
        over.wait(after)
        if not over.is_set() and pool.pids():
            os.kill(pool.pids()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


def with_workers(work: Work, shard: int | None, kill_after: float | None) -> str:
    """The digest by two processes."""
    pool = Processes(2)
    engine = Workers(pool, shard=shard)
    try:
        with nullcontext() if kill_after is None else killing(pool, kill_after):
            return work.digest(engine)
    finally:
        engine.close()


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
    check.same("two processes", lambda: with_workers(work, None, None))
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
        from edgeq.engines.ray import RayActors

        engine = Workers(RayActors(2))
        check.same("two actors of Ray", lambda: work.digest(engine))
        engine.close()


if __name__ == "__main__":
    main()
