"""Measure how much faster two workers are than this process alone with one thread.

`python -m benchmarks.scale.speed_up model.onnx data.npz --samples 2000` calibrates;
`--what quantize` and `--what search --search 30` do the whole. The workers are up before the clock
starts. Each line: seconds on the wall, CPU seconds of this process and of each worker, CPU seconds
that anybody else took meanwhile (above a tenth of the wall, cores were not free), the digest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time

import numpy as np

import edgeq
from edgeq.engines.current import using
from edgeq.engines.local import Local
from edgeq.engines.processes import Processes
from edgeq.engines.protocol import Engine
from edgeq.engines.workers import Workers

#: ticks of a second in /proc
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Took:
    """One run."""

    seconds: float
    here: float
    workers: tuple[float, ...]
    others: float
    digest: str

    def told(self, name: str) -> str:
        """A line of the table."""
        workers = " ".join(f"{one:.1f}" for one in self.workers)
        cpu = f"{self.here:7.1f} CPU s here  [{workers}] in workers  {self.others:5.1f} elsewhere"
        return f"{name:18} {self.seconds:7.1f} s  {cpu}  {self.digest}"


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def busy() -> float:
    """CPU seconds of the machine so far."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    return sum(int(first[place]) for place in (0, 1, 2, 5, 6, 7)) / TICKS


def timed(engine: Engine, pids: Sequence[int], work: Callable[[], str]) -> Took:
    """Do the work on the engine, whose workers have these ids."""
    before, own, all_before, begun = [cpu_of(pid) for pid in pids], process_time(), busy(), monotonic()
    with using(engine):
        digest = work()
    here, workers = process_time() - own, tuple(cpu_of(pid) - cpu for pid, cpu in zip(pids, before, strict=True))
    return Took(monotonic() - begun, here, workers, busy() - all_before - here - sum(workers), digest[:12])


def enlarged(path: Path, samples: int, folder: Path) -> Path:
    """A file with the data repeated up to so many samples; each repetition is scaled a little."""
    with np.load(path) as file:
        found = {name: file[name] for name in file.files}
    for name, array in found.items():
        times = -(-samples // len(array))
        scaled = [array if array.dtype.kind in "iub" else (array * (1 - place / times / 8)).astype(array.dtype) for place in range(times)]
        found[name] = np.concatenate(scaled)[:samples]
    np.savez(folder / "data.npz", **found)
    return folder / "data.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, help="repeat the data up to so many")
    parser.add_argument("--what", choices=("calibrate", "quantize", "search"), default="calibrate")
    parser.add_argument("--search", type=float, metavar="DB", default=30.0, help="the floor of a search")
    parser.add_argument("--ray", action="store_true", help="actors of Ray instead of processes")
    parser.add_argument("--pairs", type=int, default=1, help="how often both are measured, in turn")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(asked, asked.data if asked.samples is None else enlarged(asked.data, asked.samples, Path(folder)))


def compare(asked: argparse.Namespace, data: Path) -> None:
    """Measure both, in turn."""
    recipe: dict[str, object] = {"samples": 1 << 20}
    if asked.what == "search":
        recipe |= {"effort": "best", "minutes": 600.0, "floors": {"min_sqnr": asked.search}}

    def work() -> str:
        if asked.what == "calibrate":
            return edgeq.calibrate(asked.model, data, recipe=recipe).hash
        return hashlib.sha256(edgeq.quantize(asked.model, data, recipe=recipe).plan.to_json().encode()).hexdigest()

    if asked.ray:
        from edgeq.engines.ray import RayActors

        pool: Processes | RayActors = RayActors(2)
    else:
        pool = Processes(2)
    engine = Workers(pool)
    with using(engine):  # all workers are up, and have imported what they need
        edgeq.calibrate(asked.model, data, recipe={"samples": 64})
    for _ in range(asked.pairs):
        alone = timed(Local(1), (), work)
        print(alone.told("local, one thread"), f"load {os.getloadavg()[0]:.1f}", flush=True)
        both = timed(engine, pool.pids(), work)
        print(both.told("two workers"), f"load {os.getloadavg()[0]:.1f}", flush=True)
        print(f"{alone.seconds / both.seconds:.2f} times as fast", flush=True)
        if both.digest != alone.digest:
            raise SystemExit("another result")
    engine.close()


if __name__ == "__main__":
    main()
