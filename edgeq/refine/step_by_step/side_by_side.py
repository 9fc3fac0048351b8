"""Run an integer model and the float model side by side, step by step; workers divide the samples.

Each step depends on what all samples gave before: there is a barrier behind every question. What is
asked travels as commands. A worker remembers how far its samples are; one that does not know, since
another one did them before, is told all commands from the first on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import thread_time
from typing import Protocol, TypeVar, cast

from edgeq.calibration.stepwise import Stepwise
from edgeq.data.dataset import Dataset, Feeds
from edgeq.data.held_out import part_of
from edgeq.engines.current import current_engine
from edgeq.engines.protocol import Job, Opened
from edgeq.engines.sent import Sent
from edgeq.numerics.arrays import AnyArray
from edgeq.progress import Progress, Silent
from edgeq.refine.step_by_step.integer_twin import fed
from edgeq.runtimes.ort import open_session

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

#: seconds of the float model over all samples that are worth to be divided: workers have to open
#: both models, and answer several times for each layer
WORTH_S = 0.5


class Both:
    """Both models between two steps, for some of the samples."""

    def __init__(self, models: Models, places: range) -> None:
        """places: of the samples among those that were chosen."""
        integer, model, self.places = models.integer.model, models.model.model, places
        self.twins, self.nodes = ({str(node.name): node for node in one.graph} for one in (integer, model))
        feeds = models.feeds(places)
        held = {self.twins[name]: fed(self.twins[name]) for name in models.held}
        self.ours = Stepwise(integer, feeds, held)
        self.theirs = Stepwise(model, feeds, due=[self.nodes[name] for name in models.due])
        #: what the layer of the last step gives in the integer model and in the float model
        self.got, self.wanted = list[AnyArray](), list[AnyArray]()


class Command(Protocol[R_co]):
    """One step. It travels to workers: its fields hold no nodes."""

    def on(self, both: Both, /) -> Sequence[R_co]:
        """Do it; returns what each sample gives, in order, if it gives anything."""


@dataclass(frozen=True, eq=False)
class Models:
    """What is run side by side."""

    integer: Sent
    model: Sent
    data: Dataset
    #: the runs of the data that are chosen
    runs: tuple[int, ...]
    #: layers whose inputs are kept until they run, in the integer model
    held: tuple[str, ...] = ()
    #: layers of the float model that are run in this order, with nothing in between
    due: tuple[str, ...] = ()

    def feeds(self, places: range) -> list[Feeds]:
        """The feeds of chosen runs."""
        step = self.data.fixed_batch or 1
        samples = [self.runs[place] * step + one for place in places for one in range(step)]
        return [batch.feeds for batch in part_of(self.data, samples).batches(1)]

    @property
    def seconds(self) -> float:
        """About how long one thread runs the float model for all samples."""
        with open_session(self.model.model, threads=1, arena=False) as session:
            (feeds,) = self.feeds(range(1))
            session.run(feeds)
            begun = thread_time()
            session.run(feeds)
        return (thread_time() - begun) * len(self.runs)


@dataclass(frozen=True)
class _Asked:
    """What a worker is to do: commands for its samples, of which `start` are done, or nothing."""

    places: range
    start: int
    commands: tuple[Command[object], ...]


class SideBySide:
    """Both models on all samples: what is told and asked is done by all."""

    def __init__(self, models: Models) -> None:
        workers, count = min(current_engine().workers, len(models.runs)), len(models.runs)
        divided = workers > 1 and models.seconds > WORTH_S
        self._here = None if divided else Both(models, range(count))
        self._shards = [range(count * place // workers, count * (place + 1) // workers) for place in range(workers)]
        self._job: Job[Models, _Asked, Sequence[object] | None] = Job(_open, replace(models, data=models.data.unjudged()), remembers=True)
        self._told, self._done = list[Command[object]](), 0

    def tell(self, command: Command[object]) -> None:
        """Let all do it before they are asked again."""
        if self._here is not None:
            command.on(self._here)
        else:
            self._told.append(command)

    def ask(self, command: Command[R]) -> list[R]:
        """What each sample gives, in order."""
        if self._here is not None:
            return list(command.on(self._here))
        self._told.append(command)
        found: dict[range, Sequence[R]] = self._answers(self._shards, self._done)
        behind = [shard for shard in self._shards if shard not in found]
        if behind:
            found |= self._answers(behind, 0)
        self._done = len(self._told)
        return [each for shard in self._shards for each in found[shard]]

    def _answers(self, wanted: Sequence[range], start: int) -> dict[range, Sequence[R]]:
        """What those of the wanted shards gave that had done all commands before `start`.

        Shards go to idle workers in order. Each keeps its place, and with it its worker: one that
        begins again would else do so elsewhere, and not know its samples the next time.
        """
        commands = tuple(self._told[start:])
        asked = [_Asked(shard, start, commands if shard in wanted else ()) for shard in self._shards]
        answers = [(self._shards[place], found) for place, found in current_engine().run(self._job, asked, Silent())]
        return {shard: cast(Sequence[R], found) for shard, found in answers if shard in wanted and found is not None}


@contextmanager
def _open(models: Models) -> Iterator[Opened[_Asked, Sequence[object] | None]]:
    known = dict[range, tuple[Both, int]]()  # with how many commands each has done

    def work(asked: _Asked, _: Progress) -> Sequence[object] | None:
        if not asked.commands:
            return None
        both, done = known.pop(asked.places, (None, 0))
        if both is None or not asked.start <= done < asked.start + len(asked.commands):
            if asked.start:
                return None
            both, done = Both(models, asked.places), 0
        found: Sequence[object] = ()
        for command in asked.commands[done - asked.start :]:
            found = command.on(both)  # that of the last one was asked for
        known[asked.places] = (both, asked.start + len(asked.commands))
        return found

    yield work
