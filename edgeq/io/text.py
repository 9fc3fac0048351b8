"""Find text in a model that is not UTF-8: protobuf reads it and then cannot write it."""

from __future__ import annotations

import onnx
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]  # its stubs are no dependency of ours
from google.protobuf.message import Message  # type: ignore[import-untyped]  # likewise

from edgeq.errors import BadModel

#: large, and checked by themselves
_SKIPPED = (onnx.TensorProto, onnx.SparseTensorProto)


def refuse_odd_text(proto: onnx.ModelProto, where: str) -> None:
    """Raise BadModel for a name, a description or a record that is not UTF-8, which it names.

    protobuf gives such text as bytes.
    """
    waiting: list[tuple[Message, str]] = [(proto, "the model")]
    while waiting:  # not recursive: a hostile file cannot exhaust the stack
        message, place = waiting.pop()
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING:
                if isinstance(value, bytes) or (not isinstance(value, str) and any(isinstance(one, bytes) for one in value)):
                    fix = "The file is damaged, or was written by a tool with names of its own: export or download it again."
                    raise BadModel(f"A text of the model is not UTF-8: {field.name} of {place}", where, fix)
            elif field.type == FieldDescriptor.TYPE_MESSAGE:
                inner = (value,) if isinstance(value, Message) else value
                waiting.extend((one, _place(one, field.name)) for one in inner if not isinstance(one, _SKIPPED))


def _place(message: Message, field: str) -> str:
    name = next((getattr(message, word) for word in ("name", "key") if word in message.DESCRIPTOR.fields_by_name), "")
    return f"{field} {name!r}" if name else field
