"""Drive the system's Chromium over a pipe, for tests of pages: no driver and no package is needed.

The Chrome DevTools Protocol as JSON messages that end in a zero byte, on file descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: names of the browser on the systems that have it
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: seconds until a message or a condition counts as never coming
PATIENCE_S = 60.0
#: file descriptors from which on none of the shell's or the browser's own lies
FAR = 64


def found_browser() -> str | None:
    """The path of the system's Chromium; None: there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """A page in the browser."""

    def __init__(self, sending: int, receiving: int) -> None:
        self._sending, self._receiving = sending, receiving
        self._rest, self._number, self._session = b"", 0, ""
        #: what the page said is wrong: exceptions, errors on the console, requests
        self.complaints: list[str] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer. Raises AssertionError where it is refused."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._sending, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                return dict(answer.get("result", {}))
            self._hear(answer)

    def open(self, page: Path, *, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        """Load a file, at a size and with the colours that the reader's system prefers."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.complaints.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")
        self.until("document.getElementById('parts').childElementCount")  # a packed document is drawn a moment later
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it becomes."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        ends = time.monotonic() + PATIENCE_S
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < ends, f"never true: {condition}"

    def click(self, selector: str, at: int = 0) -> None:
        """A click of the mouse in the middle of an element, which is scrolled into sight first."""
        place = self.run(
            f"(() => {{ const e = document.querySelectorAll({json.dumps(selector)})[{at}];"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key, by its name in the DOM."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, " ": 32}
        letter: Mapping[str, str] = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        code = codes.get(key, 0)
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **letter)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    def _hear(self, event: dict[str, Any]) -> None:
        kind, told = event.get("method"), event.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif kind == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(str(told["entry"]))
        elif kind == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("file:", "data:", "about:")):
            self.complaints.append(f"asks for {told['request']['url']}")

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._receiving, 1 << 20)
            assert piece, "the browser has ended"
            self._rest += piece
        text, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(text))


@contextmanager
def browser(path: str, profile: Path) -> Iterator[Tab]:
    """A running browser with one tab. profile: an empty folder for what it writes."""
    commands, answers = os.pipe(), os.pipe()
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars", "--no-first-run")
    # the shell puts the pipes where the browser wants them, from numbers that are in nobody's way
    far = [fcntl.fcntl(end, fcntl.F_DUPFD, FAR) for end in (commands[0], answers[1])]
    words = [path, *options, f"--user-data-dir={profile}", "about:blank"]
    moved = f'exec 3<&{far[0]} 4>&{far[1]} {far[0]}<&- {far[1]}>&-; exec "$@"'
    child = subprocess.Popen(["bash", "-c", moved, "bash", *words], pass_fds=far, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for end in (*far, commands[0], answers[1]):
        os.close(end)
    try:
        yield Tab(commands[1], answers[0])
    finally:
        os.close(commands[1])
        os.close(answers[0])
        child.terminate()
        child.wait()
