"""Output of processes on one terminal."""

import io
import threading

from hypothesis import given
from hypothesis import strategies as st

from millrace_local.up import output
from millrace_local.up.output import LineSplitter, Output


@given(st.lists(st.text("ab\n", max_size=12), max_size=12))
def test_lines_do_not_depend_on_chunks(chunks: list[str]) -> None:
    splitter = LineSplitter(limit=200)
    lines = [line for chunk in chunks for line in splitter.feed(chunk.encode())] + splitter.flush()
    whole = "".join(chunks)
    assert lines == (whole.split("\n") if whole and not whole.endswith("\n") else whole.split("\n")[:-1])


@given(st.integers(1, 50), st.integers(1, 200))
def test_long_line_is_cut_once(piece: int, pieces: int) -> None:
    splitter = LineSplitter(limit=20)
    lines = [line for _ in range(pieces) for line in splitter.feed(b"x" * piece)] + splitter.feed(b"\nnext\n")
    assert lines == ["x" * (piece * pieces) if piece * pieces <= 20 else "x" * 20 + " …", "next"]


def test_control_characters_are_removed() -> None:
    assert LineSplitter().feed(b"a\x1b[2J\x07\tb\xff\n") == ["a[2J\tb�"]


def test_each_line_names_its_process() -> None:
    stream = io.StringIO()
    shown = Output(stream, ["postgres", "edge"], colour=False)
    shown.line("edge", "hello")
    shown.say("done")
    shown.close()
    assert stream.getvalue() == "edge     │ hello\ndone\n"


class StalledStream(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.goes_on.wait(10)
        return super().write(text)


def test_stalled_terminal_drops_lines_without_blocking() -> None:
    stream = StalledStream()
    shown = Output(stream, ["edge"], colour=False)
    for _ in range(output.QUEUE_LIMIT + 100):
        shown.say("x")
    stream.goes_on.set()
    shown.close(10)
    assert output.QUEUE_LIMIT <= stream.getvalue().count("x") <= output.QUEUE_LIMIT + 1


def test_progress_stays_below_the_lines_of_an_interactive_terminal() -> None:
    stream = io.StringIO()
    written = Output(stream, ["a"], colour=False, interactive=True)
    written.progress(0.5, "new york: plans")
    written.line("a", "one")
    written.progress(1.0, "")
    written.say("complete")
    written.close()
    bar = "[###############...............]  50%  new york: plans"
    assert stream.getvalue() == f"{bar}\r\x1b[Ka │ one\n{bar}\r\x1b[Kcomplete\n"


def test_progress_is_not_written_to_a_file() -> None:
    stream = io.StringIO()
    written = Output(stream, [], colour=False)
    written.progress(0.5, "new york: plans")
    written.close()
    assert stream.getvalue() == ""
