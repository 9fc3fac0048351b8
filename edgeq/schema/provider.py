"""The execution provider of onnxruntime that runs models for a target."""

from __future__ import annotations

from pydantic import Field

from edgeq.io.strict_toml import Strict


class Provider(Strict):
    """The execution provider by which onnxruntime runs models for a target."""

    name: str = Field(description="as onnxruntime calls it, such as TensorrtExecutionProvider")
    options: dict[str, str] = Field(default_factory=dict, description="options of the provider, as its documentation names them")
    package: str | None = Field(None, description="Python package that brings it as a plug-in; left out: it is built into onnxruntime")
    source: str
