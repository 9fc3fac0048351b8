"""Look whether anybody listens at the address of a cluster, before Ray does."""

from __future__ import annotations

import socket

#: seconds in which the head of a cluster has to answer
KNOCK_S = 10.0


def knock(address: str) -> None:
    """Raise OSError where nobody listens: Ray would try for two minutes, and end the process then.

    address: as Ray takes it. Words such as `auto`, for which Ray looks itself, say nothing here.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_S).close()
