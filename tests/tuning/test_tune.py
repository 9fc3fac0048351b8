"""Tuning on this machine: what it writes, and what it refuses."""

from __future__ import annotations

import pytest

from edgeq.errors import BadTarget
from edgeq.progress import Silent
from edgeq.runtimes.ort import open_session
from edgeq.schema.target import load_target
from edgeq.tuning.chain import Chain
from edgeq.tuning.chains import CHAINS
from edgeq.tuning.timing import network
from edgeq.tuning.tune import HERE, tuned

FIRST = {chain.kind: chain for chain in reversed(CHAINS)}


@pytest.mark.parametrize("chain", FIRST.values(), ids=FIRST)
def test_both_forms_of_every_chain_run(chain: Chain) -> None:
    for codes in (True, False):
        net = network(chain, 2, codes=codes)
        open_session(net.serialized(), threads=1).run(net.feeds())


@pytest.mark.skipif(not load_target("cpu").runs_here, reason="cpu's models do not run on this machine's processor")
def test_a_tuned_target_says_where_and_places_by_this_machine_alone() -> None:
    chains = [one for one in CHAINS if one.kind in ("Conv.pointwise", "Add")][:4]
    found = tuned(load_target("cpu"), 1, Silent(), rounds=1, chains=chains).cost
    assert found is not None and found.tuned is not None and list(found.columns) == [HERE]
    assert found.tuned.machine == found.columns[HERE].machine != ""
    assert found.columns[HERE].kinds["Conv.pointwise"].integer.numbers > (0.0,) * 7


@pytest.mark.parametrize("name", ["mcu_tflite", "qnn_htp"])
def test_targets_that_run_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BadTarget, match="cannot be measured here"):
        tuned(load_target(name), 1, Silent())
