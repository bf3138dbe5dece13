"""A real ComfyUI server with the pack among its custom nodes, everything it writes in a temporary folder."""
from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

START_SECONDS, RUN_SECONDS = 300, 600
FOLDERS = ("custom_nodes", "input", "models", "output", "temp", "user")


class Server:
    """Started when made; `with Server(...) as server` stops it. The pack is linked under a folder name that is no Python name."""

    def __init__(self, host: Path, python: str, pack: Path, folder: Path, environment: dict[str, str]):
        for name in FOLDERS:
            (folder / name).mkdir()
        (folder / "custom_nodes" / "concord-main").symlink_to(pack, target_is_directory=True)
        self.log, self.folder, port = folder / "server.log", folder, free_port()
        self.address = f"http://127.0.0.1:{port}"
        command = [python, str(host / "main.py"), "--cpu", "--port", str(port), "--base-directory", str(folder), "--disable-auto-launch",
                   "--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self) -> Server:
        self.wait_for(lambda: self.get("/object_info") is not None, START_SECONDS, "start")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def get(self, path: str) -> bytes | None:
        """The body, or None while the server does not listen; an error status raises with the body's text."""
        return self.ask(urllib.request.Request(self.address + path))

    def ask(self, request: urllib.request.Request) -> bytes | None:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{request.full_url}: {error.code} {error.read().decode(errors='replace')}") from error
        except urllib.error.URLError:
            return None

    def json(self, path: str):
        return json.loads(self.get(path) or b"null")

    def run(self, prompt: dict) -> dict[str, bytes]:
        """Queues an API-format graph and waits: the PNG files that it saved, by name."""
        body = json.dumps({"prompt": prompt}).encode()
        queued = self.ask(urllib.request.Request(self.address + "/prompt", body, {"Content-Type": "application/json"}))
        prompt_id = json.loads(queued or b"{}")["prompt_id"]
        self.wait_for(lambda: self.json(f"/history/{prompt_id}"), RUN_SECONDS, "finish the prompt")
        history = self.json(f"/history/{prompt_id}")[prompt_id]
        if history["status"]["status_str"] != "success":
            raise AssertionError("\n".join(str(message) for message in history["status"]["messages"] if message[0] == "execution_error"))
        images = [image for output in history["outputs"].values() for image in output.get("images", []) if image["type"] == "output"]
        return {image["filename"]: self.get("/view?" + urllib.parse.urlencode(image)) or b"" for image in images}

    def wait_for(self, ready: Callable[[], object], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended (exit code {self.process.returncode}) and did not {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"the server did not {what} in {seconds} s:\n{self.tail()}")
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
