"""Progress on a terminal: which node runs, and for nodes with steps a bar with the time left."""
from __future__ import annotations

import sys
from typing import Any, TextIO


class Terminal:
    """A watcher of runs that draws on a terminal; use as a context manager, so that the line is left clean however the run ends."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.bar: Any = None
        self.title = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def node(self, number: int, total: int, title: str) -> None:
        self._close()
        self.title = f"[{number}/{total}] {title}"
        self.bar = self._new(None)

    def step(self, value: int, total: int, label: str) -> None:
        if self.bar is None or self.bar.total != total or value < self.bar.n:
            self._close()
            self.bar = self._new(total)
        if label:
            self.bar.set_postfix_str(label, refresh=False)
        self.bar.update(value - self.bar.n)

    def _new(self, total: int | None) -> Any:
        from tqdm import tqdm

        shape = "{desc}" if total is None else "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
        return tqdm(total=total, desc=self.title, file=self.stream, leave=False, dynamic_ncols=True, bar_format=shape)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
