"""Serving until told to stop."""

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from reasoning_jax.serving.batcher import Batcher


async def serve_until_signal(
    app: web.Application,
    batcher: Batcher,
    host: str,
    port: int,
    ready: Callable[[str], None],
    grace_seconds: float = 30.0,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what was begun, for so long at most.

    Args:
      port: 0 for one that is free.
      ready: told the address once connections are accepted.

    Raises:
      OSError: the port cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        app, handler_cancellation=True, access_log=None, shutdown_timeout=grace_seconds
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{bound}")
        await stop.wait()
        batcher.refuse()
    finally:
        await runner.cleanup()
        await asyncio.to_thread(batcher.close, grace_seconds)
