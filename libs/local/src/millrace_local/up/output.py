"""Writes the output of all processes line by line to one terminal."""

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

LINE_LIMIT = 4096
QUEUE_LIMIT = 10_000
BAR_WIDTH = 30
ERASE_LINE = "\r\x1b[K"
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
# Control characters except the tab.
_CONTROL = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) != "\t"}


class LineSplitter:
    """Splits a stream of bytes into lines of at most `limit` bytes; drops the rest of longer lines."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._held = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that `chunk` completes."""
        *complete, rest = (self._held + chunk).split(b"\n")
        lines = [line for raw in complete if (line := self._line(raw)) is not None]
        self._held = rest
        if len(rest) > self._limit:
            overlong = self._line(rest)
            lines += [overlong] if overlong is not None else []
            self._held, self._skipping = b"", True
        return lines

    def flush(self) -> list[str]:
        """Return the last line if it has no line break."""
        lines = self.feed(b"\n")
        return [line for line in lines if line]

    def _line(self, raw: bytes) -> str | None:
        if self._skipping:  # the tail of a long line
            self._skipping = False
            return None
        text = raw[: self._limit].decode(errors="replace").translate(_CONTROL)
        return f"{text} …" if len(raw) > self._limit else text


@dataclass(frozen=True, slots=True)
class _Progress:
    """A new content of the last line."""

    bar: str


class Output:
    """Writes lines with the name of their process, from a queue in its own thread, so that no caller waits.

    If the terminal is so slow that `QUEUE_LIMIT` lines are queued, further ones are dropped and counted. If it is
    `interactive`, a last line can show the progress of background work.
    """

    def __init__(self, stream: TextIO, names: Sequence[str], *, colour: bool, interactive: bool = False) -> None:
        self._stream = stream
        self._interactive = interactive
        self._progress = ""
        self._width = max(map(len, names), default=0)
        self._colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(names)}
        self._colour = colour
        self._dropped = 0
        self._queue: queue.Queue[str | _Progress | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._write, name="output", daemon=True)
        self._thread.start()

    def line(self, name: str, text: str) -> None:
        """Write one line of output from the process `name`."""
        prefix = f"{name:<{self._width}} │"
        if self._colour:
            prefix = f"\x1b[{self._colours.get(name, 37)}m{prefix}\x1b[0m"
        self._put(f"{prefix} {text}")

    def say(self, text: str) -> None:
        """Write one line of the supervisor itself."""
        self._put(f"\x1b[1m{text}\x1b[0m" if self._colour else text)

    def progress(self, done: float, text: str) -> None:
        """Show a bar of the finished share `done`, from 0 to 1, below all lines; an empty `text` removes it.

        Do nothing unless the terminal is interactive.
        """
        if self._interactive:
            filled = round(done * BAR_WIDTH)
            bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done:4.0%}  {text}"
            self._put(_Progress(bar if text else ""))

    def close(self, seconds: float = 2.0) -> None:
        """Write the queued lines for at most `seconds`."""
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _put(self, line: "str | _Progress") -> None:
        try:
            if self._dropped:
                self._queue.put_nowait(f"… {self._dropped} lines dropped, because the terminal was too slow")
                self._dropped = 0
            self._queue.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            erase = ERASE_LINE if self._progress else ""
            if isinstance(line, _Progress):
                self._progress, text = line.bar, line.bar
            else:
                text = f"{line}\n{self._progress}"
            try:
                self._stream.write(erase + text)
                self._stream.flush()
            except (OSError, ValueError):  # the terminal is closed; the platform continues
                continue
