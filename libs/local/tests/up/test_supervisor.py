"""Starting, restarting, stopping and killing children."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from millrace_local.up.child import Child, StartError
from millrace_local.up.supervisor import CommandError, all_ready

from .conftest import DEAF, SECONDS, Stage, process_id, until

PAUSE = "import signal; signal.alarm(600); signal.pause()"
"""A program that waits to be killed, and exits after a while otherwise."""


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_replaced(child: Child, first: int) -> bool:
    return child.process_id != first and child.ready.is_set()


async def test_child_becomes_ready_and_stops(stage: Stage) -> None:
    (child,) = stage.supervisor.start(stage.dummy("one"))
    await asyncio.wait_for(all_ready([child]), SECONDS)
    process = process_id(child)
    await stage.supervisor.stop()
    assert not is_running(process)
    assert child.exit_code == 0
    assert stage.shown() == ["one │ hello", "one │ leaving"]


async def test_hidden_lines_are_not_shown(stage: Stage) -> None:
    (child,) = stage.supervisor.start(replace(stage.dummy("one"), hidden=("hell",)))
    await asyncio.wait_for(all_ready([child]), SECONDS)
    await stage.supervisor.stop()
    assert stage.shown() == ["one │ leaving"]


@pytest.mark.parametrize(("code", "shown"), [(0, []), (3, ["task │ said"])])
async def test_output_of_a_quiet_command_is_shown_if_it_fails(stage: Stage, code: int, shown: list[str]) -> None:
    program = (sys.executable, "-I", "-S", "-c", f"print('said'); raise SystemExit({code})")
    with contextlib.suppress(CommandError):
        await asyncio.wait_for(stage.supervisor.command("task", program, {}, quiet=True), SECONDS)
    assert stage.shown() == shown


async def test_killed_child_is_restarted_with_a_message(stage: Stage) -> None:
    ends: list[bool] = []

    async def restored(clean: bool) -> None:
        ends.append(clean)

    (child,) = stage.supervisor.start(stage.dummy("one"), restore={"one": restored})
    await asyncio.wait_for(all_ready([child]), SECONDS)
    for number in (signal.SIGKILL, signal.SIGTERM):  # a killing signal, and one that it handles with exit code 0
        first = process_id(child)
        stage.up_file("one").unlink()
        os.kill(first, number)
        await until(partial(is_replaced, child, first))
    assert ends == [False, True]
    shown = stage.shown()
    assert "one was ended by SIGKILL; starting it again in 0.01 s" in shown
    assert any("one ended with exit code 0; starting it again" in line for line in shown)
    assert shown.count("one is ready again") == 2


async def test_child_that_never_gets_ready_fails(stage: Stage) -> None:
    stage.supervisor.start(stage.dummy("broken", "print('no such luck'); raise SystemExit(3)"))
    with pytest.raises(StartError, match="broken does not start: it ended with exit code 3"):
        await asyncio.wait_for(stage.supervisor.failed(), SECONDS)
    assert stage.shown().count("broken │ no such luck") == 3


async def test_child_with_a_configuration_error_is_not_restarted(stage: Stage) -> None:
    stage.supervisor.start(stage.dummy("outdated", f"print('old data'); raise SystemExit({os.EX_CONFIG})"))
    with pytest.raises(StartError, match="outdated does not start"):
        await asyncio.wait_for(stage.supervisor.failed(), SECONDS)
    assert stage.shown().count("outdated │ old data") == 1


async def test_layers_stop_in_reverse_order(stage: Stage) -> None:
    for layer in (("store",), ("service", "worker"), ("edge",)):
        await asyncio.wait_for(all_ready(stage.supervisor.start(*map(stage.dummy, layer))), SECONDS)
    await stage.supervisor.stop()
    leaving = [line.split()[0] for line in stage.shown() if line.endswith("leaving")]
    assert (leaving[0], set(leaving[1:3]), leaving[3]) == ("edge", {"service", "worker"}, "store")


async def test_child_that_ignores_the_signal_is_killed(stage: Stage) -> None:
    (child,) = stage.supervisor.start(stage.dummy("deaf", DEAF, stop_seconds=0.1))
    await asyncio.wait_for(all_ready([child]), SECONDS)
    await stage.supervisor.stop()
    assert child.exit_code == -signal.SIGKILL
    assert "deaf did not stop within 0 s and was killed" in stage.shown()


async def test_grandchildren_are_killed(stage: Stage) -> None:
    program = "import pathlib, signal, subprocess, sys\n"
    program += f"other = subprocess.Popen([sys.executable, '-c', {PAUSE!r}])\n"
    program += "file = pathlib.Path(sys.argv[1]); new = file.with_suffix('.new')\n"
    program += "new.write_text(str(other.pid)); new.rename(file); signal.pause()"
    (child,) = stage.supervisor.start(stage.dummy("parent", program))
    await asyncio.wait_for(all_ready([child]), SECONDS)
    grandchild = int(stage.up_file("parent").read_text())
    assert is_running(grandchild)
    await stage.supervisor.stop()
    await until(lambda: not is_running(grandchild))


async def test_stop_during_the_start_leaves_no_process(stage: Stage) -> None:
    (child,) = stage.supervisor.start(stage.dummy("one"))
    await asyncio.sleep(0)
    await asyncio.wait_for(stage.supervisor.stop(), SECONDS)
    assert child.process_id is None or not is_running(child.process_id)


async def test_failing_command_is_an_error_and_shows_its_output(stage: Stage) -> None:
    program = "import os; print(os.environ['WORD']); raise SystemExit(4)"
    with pytest.raises(CommandError, match="load ended with exit code 4"):
        await stage.supervisor.command("load", (sys.executable, "-c", program), {"WORD": "hm"})
    assert stage.shown() == ["load │ hm"]


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
import signal, subprocess, sys
from millrace_local.process import launch_command
child = subprocess.Popen(launch_command([sys.executable, "-c", {PAUSE!r}], signal.SIGTERM))
print(child.pid, flush=True)
signal.pause()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.wait(SECONDS)
    asyncio.run(until(lambda: not is_running(child)))
