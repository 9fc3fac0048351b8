"""The wish for an engine, a table of a recipe."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from edgeq.engines.names import EngineName
from edgeq.io.strict_toml import Strict


class EngineWish(Strict):
    """Where the work is done: it changes the time that a run takes, and no byte of its result."""

    name: EngineName = Field("local", description="local: threads of this process; processes: of this machine; ray: a cluster")
    workers: int | None = Field(None, ge=1, description="how many at once; default: one for each core, of local at most 4")
    address: str | None = Field(None, description="ray: of the cluster, as Ray says it when its head starts; default: Ray is started here")
    shard: int | None = Field(None, ge=1, description="samples of a shard; default: by the number of workers")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.address is not None and self.name != "ray":
            raise ValueError("address is that of a Ray cluster, which only the engine ray reaches")
        return self
