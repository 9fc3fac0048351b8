"""Tables of vectors that learn: entries and assignments move, and what is exported computes it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch (extra [learn]) is not installed")

from edgeq.learn.simulation.vectors import LearnedVectors  # noqa: E402
from edgeq.numerics.codebook import encode, parse_grain  # noqa: E402
from edgeq.schema.codebook import CodebookWish  # noqa: E402
from edgeq.schema.recipe import Recipe  # noqa: E402
from tests.few_bits.test_tables import net  # noqa: E402
from tests.learn.simulation.test_simulation import assert_exported_equals_simulated  # noqa: E402
from tests.learn_room import Classroom, classroom  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def room_of(word: str, bits: int, target: str = "cpu", **wishes: object) -> Classroom:
    return classroom(net(), target, Recipe(codebook=CodebookWish.model_validate({"bits": bits, "granularity": word, **wishes})))


def learned(room: Classroom) -> list[LearnedVectors]:
    found = [one for one in room.student.weights if isinstance(one, LearnedVectors)]
    assert found
    return found


@pytest.mark.parametrize("target", ["cpu", "mcu_tflite", "npu_pow2"])
@pytest.mark.parametrize(("word", "bits"), [("vector:2", 4), ("vector:4", 6)])
def test_exported_equals_simulated_before_and_after_training(word: str, bits: int, target: str) -> None:
    room = room_of(word, bits, target)
    assert room.student.learned() == room.plan
    assert_exported_equals_simulated(room)
    before = [one.whole().detach().clone() for one in learned(room)]
    room.learn(4, 0.3)
    assert any(not torch.equal(first, one.whole()) for first, one in zip(before, learned(room), strict=True))
    assert_exported_equals_simulated(room)


def test_codes_remain_entries_of_a_table_while_they_learn() -> None:
    room = room_of("vector:2", 4)
    room.learn(6, 0.5)
    for key, weight in room.student.learned().weights.items():
        if weight.format == "codebook":
            codes = room.student.named_weights[room.student._keys[key]].whole().detach().numpy().astype(np.int8)
            assert encode(codes, parse_grain(weight.granularity), weight.channel_axis, weight.bits) is not None


def test_gradients_reach_entries_and_free_numbers() -> None:
    for one in learned(room_of("vector:4", 6)):
        one.whole().sum().backward()  # type: ignore[no-untyped-call]
        assert one.entries is not None and one.entries.grad is not None and one.free.grad is not None
        used = one._taken(one.one.layer.weight_rows((one.free * one.unit).detach().numpy()), one.vectors.whole().detach().numpy())  # type: ignore[union-attr]
        count = torch.bincount(torch.from_numpy(used), minlength=len(one.entries)).float()
        assert torch.allclose(one.entries.grad / one.vectors.unit, count[:, None].expand_as(one.entries))  # type: ignore[union-attr]


def test_refitting_moves_entries_to_the_means_of_their_vectors() -> None:
    one = learned(room_of("vector:2", 4))[0]
    one.free.data += 2.0 / one.unit  # every number moves by two codes: so must every entry in use
    rows = one.one.layer.weight_rows((one.free.detach() * one.unit).numpy())
    taken = one._taken(rows, one.vectors.whole().detach().numpy())  # type: ignore[union-attr]
    one.refit()
    for entry in np.unique(taken):
        mean = rows.reshape(-1, 2)[taken == entry].mean(0)
        assert np.allclose(one.vectors.kept()[entry].detach().numpy(), mean, atol=1e-3)  # type: ignore[union-attr]


def test_vectors_that_were_pruned_stay_zero() -> None:
    room = room_of("vector:2", 4, prune="0.8")
    zeros = [one.whole().detach() == 0 for one in learned(room)]
    assert any(zero.float().mean() > 0.3 for zero in zeros)
    pinned = [torch.from_numpy(still_zero(one)) for one in learned(room)]
    room.learn(4, 0.5)
    for one, still in zip(learned(room), pinned, strict=True):
        assert not one.whole()[still].any()


def still_zero(one: LearnedVectors) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which numbers of the weight have to stay 0."""
    assert one.vectors is not None
    pinned = one.vectors.pinned & (one.vectors.zero is not None)
    return np.asarray(one.one.layer.from_rows(np.repeat(pinned, 2).reshape(one.one.layer.weight_rows(one.began).shape)))
