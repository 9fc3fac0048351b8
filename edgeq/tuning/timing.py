"""Time chains of blocks: what one more block adds, for several chains in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import thread_time

import numpy as np

from edgeq.numerics.arrays import F64, AnyArray
from edgeq.runtimes.ort import Session, open_session
from edgeq.tuning.chain import Chain
from edgeq.tuning.network import Network

#: numbers of blocks of the two networks of a chain
FEW, MANY = 1, 5
#: runs that are timed together take at least this long, in seconds: a clock has its own grain
BURST_S = 1e-3


@dataclass(frozen=True)
class Measured:
    """What one more block takes, in nanoseconds."""

    integer: float
    float: float


def network(chain: Chain, blocks: int, *, codes: bool) -> Network:
    """The network of a chain with so many blocks."""
    net = Network(codes)
    x = net.input(*chain.shape)
    for _ in range(blocks):
        x = chain.block(net, x)
    net.output(x)
    return net


class Clocked:
    """The four sessions of a chain: few and many blocks, in integers and in floats."""

    def __init__(self, chain: Chain, threads: int, clock: Callable[[], float] = thread_time) -> None:
        self.clock = clock
        nets = [network(chain, blocks, codes=codes) for codes in (True, False) for blocks in (FEW, MANY)]
        self.runs = [(open_session(net.serialized(), threads=threads), net.feeds()) for net in nets]
        self.bursts = [self._burst(session, feeds) for session, feeds in self.runs]
        self.times: list[list[float]] = []

    def turn(self) -> None:
        """Time each session once, in a row."""
        self.times.append([self._timed(*run, count) for run, count in zip(self.runs, self.bursts, strict=True)])

    def measured(self) -> Measured:
        """What one more block takes, by the shortest of all turns.

        Other work on the machine only ever lengthens a turn: it takes caches away. On a machine
        that is busy ten times over, the shortest turns of two measurements differ by 5 %, their
        medians by 17 %.
        """
        least: F64 = np.array(self.times).min(axis=0)
        integer, floating = ((least[many] - least[many - 1]) / (MANY - FEW) for many in (1, 3))
        return Measured(max(float(integer), 0.0) * 1e9, max(float(floating), 0.0) * 1e9)

    def _burst(self, session: Session, feeds: dict[str, AnyArray]) -> int:
        self._timed(session, feeds, 1)
        return max(1, round(BURST_S / max(self._timed(session, feeds, 2), 1e-7)))

    def _timed(self, session: Session, feeds: dict[str, AnyArray], count: int) -> float:
        start = self.clock()
        for _ in range(count):
            session.run(feeds)
        return (self.clock() - start) / count


def measure(chains: Sequence[Chain], threads: int, rounds: int, advance: Callable[[], None], clock: Callable[[], float]) -> list[Measured]:
    """Times of all chains; every round visits each in turn, so that drift falls on all alike."""
    clocked = []
    for chain in chains:
        clocked.append(Clocked(chain, threads, clock))
        advance()
    for _ in range(rounds):
        for one in clocked:
            one.turn()
            advance()
    return [one.measured() for one in clocked]
