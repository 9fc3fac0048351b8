"""What several test files ask pytest for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

# how long an example takes says more about the machine than about the code
settings.register_profile("edgeq", deadline=None)
settings.load_profile("edgeq")


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
