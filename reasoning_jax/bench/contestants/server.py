"""launch.serve as users start it, under clients that all ask at once."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from reasoning_jax.bench.arena import ROOT
from reasoning_jax.bench.child import Done, Unavailable
from reasoning_jax.bench.works import Work, prompts, read

try:
    import aiohttp
except ImportError as error:
    raise Unavailable("pip install aiohttp (the extra serve has it)") from error

_PROCESSES: list[subprocess.Popen] = []


def prepare(work: dict[str, Any]) -> tuple[Callable[[], Done], dict[str, Any]]:
    """A server of the model; a run is one request of every row, all at the same time.

    The CPU-seconds and memory of a run are those of the clients; the server is another process.
    """
    task = read(work)
    command = [sys.executable, "-m", "launch.serve", f"--model={task.folder}", "--port=0"]
    process = subprocess.Popen(
        [*command, f"--max_rows={task.slots or task.rows}", "--name=it"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    _PROCESSES.append(process)
    line = process.stdout.readline()
    if not line.startswith("serving "):
        raise RuntimeError(f"the server ended with status {process.wait()}")
    address = line.split()[-1]
    vocab_size = task.options["vocab_size"]

    def run() -> Done:
        tokens = asyncio.run(_ask_all(f"{address}/completions", task, vocab_size))
        return Done(tokens)

    return run, {"device": "launch.serve", "versions": {"aiohttp": aiohttp.__version__}}


def release() -> None:
    """Ends the servers."""
    while _PROCESSES:
        process = _PROCESSES.pop()
        process.terminate()
        process.wait()


async def _ask_all(url: str, work: Work, vocab_size: int) -> int:
    """Tokens that all answers together have."""
    rows = prompts(work, vocab_size)
    seeds = [random.randrange(1 << 31) for _ in rows]
    limits = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limits) as session:

        async def ask(row: list[int], seed: int) -> int:
            body = {
                "model": "it",
                "prompt": row,
                "max_tokens": work.response,
                "temperature": work.temperature,
                "seed": seed,
            }
            async with session.post(url, json=body) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"status {answer.status}: {await answer.text()}")
                return (await answer.json())["usage"]["completion_tokens"]

        return sum(await asyncio.gather(*map(ask, rows, seeds)))
