"""What several test files ask pytest for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from edgeq.schema.cost import PlacementWish
from edgeq.schema.recipe import Recipe

# how long an example takes says more about the machine than about the code
settings.register_profile("edgeq", deadline=None)
settings.load_profile("edgeq")


# Toy nets are so small that no integer kernel is faster than its float one. Nearly all tests are
# about what is done with integers, not about where they pay: in them the recipe's default is to
# place as much as possible in integers. Tests about what pays say `prefer="speed"`;
# tests/schema/test_cost.py holds the default that users have.
PlacementWish.model_fields["prefer"].default = "integers"
for document in (PlacementWish, Recipe):
    document.model_rebuild(force=True)


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Threads of small nets wait for each other longer than they work; and a checkpoint is of a
    number of threads.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
