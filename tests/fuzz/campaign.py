"""Many runs side by side: classes of wrong ends are counted, and each names a run that shows it."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.one_run import one_run
from tests.fuzz.supervisor import End, Limits, Run, start
from tests.fuzz.valid.data_files import Files
from tests.fuzz.verdict import Verdict, judge


@dataclass
class Tally:
    """What came of a campaign."""

    #: runs by class of what is wrong
    wrong: dict[str, list[int]] = field(default_factory=dict)
    #: runs by command and exit code
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: runs by what an EdgeqError said
    refusals: Counter[str] = field(default_factory=Counter)
    #: the slowest and the largest run: seconds or MiB, and its index
    slowest: tuple[float, int] = (0.0, 0)
    largest: tuple[int, int] = (0, 0)

    def add(self, index: int, verdict: Verdict, end: End) -> None:
        """Count one run."""
        code = str(end.code) if end.code is not None else f"signal {end.signal}"
        self.ends[(verdict.arguments[0] if verdict.arguments else "?", code)] += 1
        self.slowest = max(self.slowest, (end.seconds, index))
        self.largest = max(self.largest, (end.peak, index))
        if verdict.refusal:
            self.refusals[f"{verdict.arguments[0]}: {verdict.refusal}"] += 1
        for found in verdict.classes:
            self.wrong.setdefault(found, []).append(index)


def campaign(
    folder: Path, seed: int, runs: Iterable[int], corpus: Files, jobs: int, limits: Limits, tell: Callable[[Tally], None]
) -> Tally:
    """Run the cases of a seed, `jobs` at a time. tell: is called from time to time."""
    tally, active, waiting, told = Tally(), dict[int, Run](), iter(runs), time.monotonic()
    more = True
    while more or active:
        while more and len(active) < jobs:
            index = next(waiting, None)
            more = index is not None
            if index is not None:
                active[index] = _start(folder / str(index), seed, index, corpus, limits)
        for index, begun in list(active.items()):
            end = begun.poll()
            if end is not None:
                tally.add(index, judge(begun.folder, end), end)
                shutil.rmtree(begun.folder)
                del active[index]
        if time.monotonic() - told > 10:
            tell(tally)
            told = time.monotonic()
        time.sleep(0.003)
    return tally


def _start(folder: Path, seed: int, index: int, corpus: Files, limits: Limits) -> Run:
    folder.mkdir(parents=True)
    return start(folder, lambda: one_run(folder, seed, index, corpus), limits)
