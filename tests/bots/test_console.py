"""`skein chat` as a program: in a pipe, and in a terminal of its own."""

import asyncio
import os
import pty
import re
import shlex
import signal
import sqlite3
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.processes import SKEIN, clean_environment, run_program

CHAT = (*SKEIN, "chat", "--thread", "test")


async def chat(folder: Path, text: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Talk through a pipe; gives exit status and all output."""
    command = [*CHAT, *arguments]
    environment = clean_environment(MODEL="demo/echo", **variables)
    async with run_program(
        command, cwd=folder, environment=environment, stdin=text.encode()
    ) as program:
        status = await program.wait()
    return status, program.output


async def test_a_pipe_gets_the_answer_and_nothing_else(tmp_path: Path):
    status, output = await chat(tmp_path, "hello there\n")
    assert status == 0
    assert "\x1b" not in output
    assert "You:" not in output
    assert "hello there" in output


async def test_a_thread_is_remembered_by_the_next_process(tmp_path: Path):
    await chat(tmp_path, "my cat is called Fig\n")
    _, output = await chat(tmp_path, "what did I say first?\n")
    assert "Fig" in output


async def test_another_thread_knows_nothing_of_it(tmp_path: Path):
    await chat(tmp_path, "my cat is called Fig\n")
    _, output = await chat(tmp_path, "what did I say first?\n", "--thread", "other")
    assert "Fig" not in output


async def test_history_and_clear(tmp_path: Path):
    _, output = await chat(tmp_path, "hello\n\nhistory\nclear\nhistory\nquit\nnever asked\n")
    assert re.search(r"1\. user: hello", output)
    assert re.search(r"2\. assistant: ", output)
    assert "Cleared" in output
    assert "(not sent any more): hello" in output
    assert "never asked" not in output


async def test_model_is_told_and_chosen(tmp_path: Path):
    _, output = await chat(tmp_path, "model\nmodel no-such-model\nbye\n")
    assert "demo/echo" in output
    assert "no-such-model" in output


async def test_a_failed_answer_is_told_and_the_status_says_so(tmp_path: Path):
    status, output = await chat(tmp_path, "remember: blue\nfail\n", MAX_ATTEMPTS="1")
    assert status == 1
    assert "Error: " in output
    status, output = await chat(tmp_path, "what did I say first?\n")
    assert status == 0
    assert "blue" in output


async def test_a_model_that_cannot_be_used_stops_with_2(tmp_path: Path):
    environment = clean_environment(MODEL="openai/gpt-4o")
    async with run_program(CHAT, cwd=tmp_path, environment=environment, stdin=b"hi\n") as program:
        assert await program.wait() == 2
    assert "OPENAI_API_KEY" in program.output


async def test_an_answer_that_the_terminal_cannot_show_is_shown_as_far_as_it_can(tmp_path: Path):
    status, output = await chat(tmp_path, "hello\n", PYTHONIOENCODING="ascii")
    assert status == 0
    assert "Hello! You said ?hello?" in output


async def test_an_interrupt_in_a_pipe_is_told_by_the_status(tmp_path: Path):
    environment = clean_environment(MODEL="demo/echo")
    async with run_program(
        CHAT, cwd=tmp_path, environment=environment, stdin=b"hello\n", keep_open=True
    ) as program:
        await program.wait_for_line("Hello!")
        program.process.send_signal(signal.SIGINT)
        assert await program.wait() == 130
    assert "Traceback" not in program.output


async def test_output_that_nobody_reads_any_more_ends_it_quietly(tmp_path: Path):
    questions = "".join(f"hello {number}\n" for number in range(20))
    shell = f"{shlex.join(CHAT)} 2>errors; echo $? >status"
    async with run_program(
        ("sh", "-c", f"({shell}) | head -c 5"),
        cwd=tmp_path,
        environment=clean_environment(MODEL="demo/echo"),
        stdin=questions.encode(),
    ) as program:
        assert await program.wait() == 0
    assert (tmp_path / "status").read_text() == "1\n"
    assert (tmp_path / "errors").read_text() == ""


async def test_a_store_that_fails_in_the_middle_is_told(tmp_path: Path):
    await chat(tmp_path, "hello\n")
    with closing(sqlite3.connect(tmp_path / "skein.db")) as vandal:
        vandal.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE ON turns WHEN new.state = 'delivering' "
            "BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
    status, output = await chat(tmp_path, "hello again\n", STORE_PATIENCE_SECONDS="0.1")
    assert status == 1
    assert "Error: I can't reach my memory" in output
    assert "Traceback" not in output


async def test_a_thread_that_is_busy_in_another_terminal_is_told(tmp_path: Path):
    environment = clean_environment(MODEL="demo/echo")
    begin = partial(run_program, CHAT, cwd=tmp_path, environment=environment, keep_open=True)
    async with begin(stdin=b"history\n") as second:
        await second.wait_for_line("no history")
        async with begin(stdin=b"slow\n") as first:
            await first.wait_for_line("Each|was|slow|time")
            second.type("anyone?\n")
            await second.wait_for_line("busy in another terminal")


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.output = ""
        self._master = master
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        with suppress(OSError):
            self.output += os.read(self._master, 4096).decode("utf-8", "replace")
        self._changed.set()

    def type(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    async def wait_for(self, text: str) -> None:
        """Wait until a text is on the screen."""
        async with asyncio.timeout(20):
            while text not in self.output:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def open_terminal(folder: Path) -> AsyncGenerator[Terminal]:
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *CHAT,
        cwd=folder,
        env=clean_environment(MODEL="demo/echo", TERM="xterm"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    terminal = Terminal(process, master)
    try:
        yield terminal
    finally:
        asyncio.get_running_loop().remove_reader(master)
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(master)


def _own_terminal() -> None:
    """Make the pseudo-terminal the one whose Ctrl-C reaches the program."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
async def test_a_terminal_shows_prompt_spinner_and_streamed_answer(tmp_path: Path):
    async with open_terminal(tmp_path) as terminal:
        await terminal.wait_for("You: ")
        terminal.type("hello there\n")
        await terminal.wait_for("Thinking")
        await terminal.wait_for("Skein: ")
        async with asyncio.timeout(20):
            while terminal.output.count("You: ") < 2:
                await terminal.wait_for("hello")
                await asyncio.sleep(0.05)
        terminal.type("quit\n")
        async with asyncio.timeout(20):
            assert await terminal.process.wait() == 0
        assert "Goodbye!" in terminal.output


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are a Unix thing")
async def test_ctrl_c_says_goodbye(tmp_path: Path):
    async with open_terminal(tmp_path) as terminal:
        await terminal.wait_for("You: ")
        terminal.type("\x03")
        async with asyncio.timeout(20):
            await terminal.process.wait()
        assert "Goodbye!" in terminal.output
        assert "Traceback" not in terminal.output
