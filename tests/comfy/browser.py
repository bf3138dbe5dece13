"""A headless Chromium, driven over two pipes in its own protocol: no package is needed for it."""
from __future__ import annotations

import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1100", "--remote-debugging-pipe")
KEYS = {"Delete": 46, "Escape": 27, "Tab": 9, "ArrowRight": 39}
CONTROL = 2


def executable() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page. `with Browser(folder) as page` ends the browser; its profile and log are in `folder`."""

    def __init__(self, folder: Path):
        self.numbers, self.errors, self.buffer, self.session = itertools.count(1), [], b"", None
        (reads, self.to), (self.out, writes) = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (reads, writes)]  # neither of them 3 or 4, where the browser looks for them
        with (folder / "browser.log").open("wb") as log:
            command = [executable() or "", *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
            self.process = subprocess.Popen(command, close_fds=False, preexec_fn=lambda: [os.dup2(end, number) for number, end in enumerate(theirs, 3)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for end in (reads, writes, *theirs):
            os.close(end)

    def __enter__(self) -> Browser:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Runtime.enable")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        os.close(self.to)
        os.close(self.out)

    def call(self, method: str, seconds: float = 60, **values: Any) -> dict[str, Any]:
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": values} | ({"sessionId": self.session} if self.session else {})
        os.write(self.to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + seconds
        while (answer := self.message(end, method)).get("id") != number:
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(answer["params"]["exceptionDetails"])[:2000])
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def message(self, end: float, method: str) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready = select.select([self.out], [], [], max(0, end - time.monotonic()))[0]
            read = os.read(self.out, 1 << 16) if ready else b""
            assert read, f"the browser did not answer {method}"
            self.buffer += read
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}; {self.errors}"
            time.sleep(0.1)

    def mouse(self, kind: str, at: tuple[float, float], buttons: int = 1) -> None:
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=at[0], y=at[1], button="left" if buttons else "none", buttons=buttons, clickCount=1)

    def drag(self, *points: tuple[float, float]) -> None:
        self.mouse("Moved", points[0], 0)
        self.mouse("Pressed", points[0])
        for point in points[1:]:
            self.mouse("Moved", point)
        self.mouse("Released", points[-1])

    def press(self, key: str, modifiers: int = 0) -> None:
        code = KEYS.get(key) or ord(key.upper())
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, modifiers=modifiers)
