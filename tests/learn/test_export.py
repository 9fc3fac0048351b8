"""Modules of torch as models: exported, checked against the module, and quantized from a loader."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import edgeq  # noqa: E402
from edgeq.errors import BadModel  # noqa: E402
from edgeq.graph.signature import input_specs  # noqa: E402
from edgeq.io.load import load_proto  # noqa: E402


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A convolution, a norm that training changes, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last = torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.norm(self.conv(image))).mean((2, 3)))


class Random(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Another result in every run: no model of it can be the same."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand_like(x) + 1


class Branch(torch.nn.Module):  # type: ignore[misc,name-defined]
    """Looks at the data in Python, which no export can."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if float(x.sum()) > 0 else -x


def test_a_module_and_a_loader_become_an_int8_model() -> None:
    torch.manual_seed(0)
    net = Net().train()
    images, labels = torch.randn(24, 1, 8, 8), torch.arange(24) % 4
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=5)
    model = edgeq.from_torch(net, (images[:1],))
    assert net.training and net.norm.training
    (spec,) = input_specs(load_proto(model).model)
    assert spec.name == "image" and isinstance(spec.shape[0], str)  # type: ignore[index]
    recipe = edgeq.Recipe(effort="fast", rule="minmax", hold_out=False)
    made = edgeq.quantize(model, loader, recipe=recipe, prove=False)
    whole = edgeq.quantize(model, {"image": images, "labels": labels}, recipe=recipe, prove=False)
    assert made.plan.data == whole.plan.data
    assert made.plan == whole.plan


def test_labels_of_a_dataset_are_read() -> None:
    net = Net()
    data = torch.utils.data.TensorDataset(torch.randn(6, 1, 8, 8), torch.arange(6) % 4)
    found = edgeq.compare(edgeq.from_torch(net, (torch.zeros(2, 1, 8, 8),)), edgeq.from_torch(net, (torch.zeros(2, 1, 8, 8),)), data)
    assert found.accuracy is not None


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_tensors_of_any_float_are_read(dtype: str) -> None:
    from edgeq.data.given.items import as_array

    tensor = torch.arange(4).to(getattr(torch, dtype)).requires_grad_()
    np.testing.assert_array_equal(as_array(tensor, "x"), [0, 1, 2, 3])


def test_what_the_export_computes_is_held_to_the_module() -> None:
    with pytest.raises(BadModel, match="computes another"):
        edgeq.from_torch(Random(), (torch.zeros(2, 3),))


def test_what_torch_cannot_export_is_said_with_its_reason() -> None:
    with pytest.raises(BadModel, match="torch cannot export the module"):
        edgeq.from_torch(Branch(), (torch.ones(2, 3),))
