"""An OpenAI-compatible server over the sampler.

`reasoning_jax.serving.app` and `reasoning_jax.serving.server` need aiohttp (extra ``serve``).
"""

from reasoning_jax.serving.batcher import Batcher, Ticket
from reasoning_jax.serving.errors import RequestError
from reasoning_jax.serving.job import Job, RowScores, Settings, Written
from reasoning_jax.serving.request import Rules, prompt_id
from reasoning_jax.serving.score import Scorer, top_logprobs
from reasoning_jax.serving.write import RowWriter, TurnWriter, Writer

__all__ = [
    "Batcher",
    "Job",
    "RequestError",
    "RowScores",
    "RowWriter",
    "Rules",
    "Scorer",
    "Settings",
    "Ticket",
    "TurnWriter",
    "Writer",
    "Written",
    "prompt_id",
    "top_logprobs",
]
