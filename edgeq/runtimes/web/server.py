"""A server on this machine alone that hands a model and its inputs to a page or to Node, and takes
the outputs.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

from edgeq.errors import RuntimeRefused
from edgeq.numerics.arrays import AnyArray

#: seconds until a program that answers nothing is given up; a large model takes long to open
PATIENCE = 600.0
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


@dataclass(frozen=True)
class Message:
    """What one side tells the other: a JSON object, and raw arrays behind it."""

    #: the object
    header: dict[str, Any]
    #: the bytes of the arrays, one behind the other
    raw: bytes = b""

    def packed(self) -> bytes:
        """As it goes over the wire: the length of the JSON text (4 bytes), the text, the arrays."""
        text = json.dumps(self.header).encode()
        return len(text).to_bytes(4, "little") + text + self.raw

    @staticmethod
    def of(body: bytes) -> Message:
        """What `packed` made."""
        end = 4 + int.from_bytes(body[:4], "little")
        return Message(json.loads(body[4:end]), body[end:])


class Server:
    """Serves one model to one program. Use it in a with statement."""

    def __init__(self, model: bytes, package: Path, glue: Path) -> None:
        self._requests: queue.Queue[Message] = queue.Queue()
        self._answers: queue.Queue[Message] = queue.Queue()
        files = {"/run.mjs": Path(__file__).with_name("run.mjs"), "/glue.mjs": glue}
        page = b"<!doctype html><meta charset=utf-8><title>edgeq</title><script type=module src=/run.mjs></script>"
        places = {"package": package.as_uri(), "glue": glue.as_uri()}
        requests, answers = self._requests, self._answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fixed = {"/": (page, "text/html"), "/model": (model, ""), "/places": (json.dumps(places).encode(), "application/json")}
                if self.path in fixed:
                    self._send(*fixed[self.path])
                elif self.path == "/request":
                    self._send(requests.get(timeout=PATIENCE).packed(), "")
                else:
                    self._send_file()

            def do_POST(self) -> None:
                answers.put(Message.of(self.rfile.read(int(self.headers["Content-Length"]))))
                self._send(b"", "")

            def _send_file(self) -> None:
                path = files.get(self.path, package / Path(self.path).name)
                if path.suffix in _TYPES and path.is_file():
                    self._send(path.read_bytes(), _TYPES[path.suffix])
                else:
                    self.send_error(404)

            def _send(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind or "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing goes to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def ask(self, header: dict[str, Any], arrays: Sequence[AnyArray], runs: Callable[[], bool]) -> Message:
        """Send a request and return its answer: see wait."""
        self._requests.put(Message(header, b"".join(array.tobytes() for array in arrays)))
        return self.wait(runs)

    def wait(self, runs: Callable[[], bool]) -> Message:
        """The next answer. runs: whether the program does.

        Raises RuntimeRefused for an error of the program, for its end, and for silence.
        """
        began = monotonic()
        while True:
            ended = not runs()  # asked first: what it sent before its end is there then
            try:
                found = self._answers.get(timeout=0.5)
                break
            except queue.Empty:
                if ended or monotonic() - began > PATIENCE:
                    raise _refused("the program has ended" if ended else "no answer") from None
        if "failed" in found.header:
            raise _refused(str(found.header["failed"]).strip().splitlines()[0])
        return found

    def close(self) -> None:
        """Let the program end, and serve no more."""
        self._requests.put(Message({"stop": True}))
        self._server.shutdown()
        self._server.server_close()


def _refused(why: str) -> RuntimeRefused:
    return RuntimeRefused(
        f"onnxruntime-web does not run the model: {why}", "web", "Look whether the same model runs in onnxruntime: edgeq prove."
    )
