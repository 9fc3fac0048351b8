"""An address at which nobody listens is told of at once, in the words of edgeq."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edgeq.engines.knock import knock


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "localhost:{}"])
def test_who_listens_answers(form: str, port: int) -> None:
    knock(form.format(port))


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
def test_where_nobody_listens_it_says_so(form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(ConnectionError):
        knock(form.format(free))


@pytest.mark.parametrize("word", ["auto", "local", "ray://head", "[::1]"])
def test_what_names_no_port_is_left_to_ray(word: str) -> None:
    knock(word)
