"""Generators as a config names them: functions of a run's context, chosen by dotted name.

``{"name": "reasoning_jax.stages.sources.generators.model_folder", "folder": ...}`` and the like.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from reasoning_jax.functions import function
from reasoning_jax.generators import (
    ChatEndpoint,
    Client,
    CompletionEndpoint,
    Generator,
    LocalGenerator,
)
from reasoning_jax.sampling import Sampler
from reasoning_jax.stages.chat import build_chat, chat_block
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.exported import load_exported, saved_block
from reasoning_jax.stages.exported import model_folder as folder_of


def check_generator(spec: Mapping[str, Any], where: str) -> None:
    """ValueError or FileNotFoundError unless the named generator can be made later on.

    Args:
      where: the config key, for messages.
    """
    function(spec, where)
    if "folder" in spec and not (folder_of(spec["folder"]) / "config.json").is_file():
        raise FileNotFoundError(
            f"{where}.folder is {spec['folder']!r}: no model folder, and no workdir of a finished "
            "run; give one"
        )


def model_folder(context: Context, *, folder: str) -> Generator:
    """Another model: a folder in Hugging Face format, or the workdir of a finished run.

    It writes with its own tokenizer and chat template, on the run's devices.
    """
    config, params, plain = load_exported(folder, context.mesh, context.dtype)
    tokenizer = build_chat(saved_block(folder, "chat", chat_block()), plain, folder_of(folder))
    sampler = Sampler(
        config, params, tokenizer, context.mesh, context.config.sampler_rows, context.dtype
    )
    return LocalGenerator(sampler, tokenizer, pathlib.Path(folder).resolve().name)


def completions(
    context: Context,
    *,
    url: str,
    model: str,
    key_variable: str = "OPENAI_API_KEY",
    cache: str = "",
    per_minute: float = 0,
    parallel: int = 8,
) -> Generator:
    """A server that continues text by OpenAI's API, such as ``launch.serve``.

    Args:
      key_variable: environment variable with the key, if one is needed.
      cache: folder of answers; by default one in the workdir.
      per_minute: most requests in a minute; 0 is no limit.
      parallel: requests at once.
    """
    return CompletionEndpoint(
        _client(context, url, key_variable, cache, per_minute), model, parallel
    )


def chat(
    context: Context,
    *,
    url: str,
    model: str,
    key_variable: str = "OPENAI_API_KEY",
    cache: str = "",
    per_minute: float = 0,
    parallel: int = 8,
    system: str = "",
) -> Generator:
    """A server that answers messages by OpenAI's API; arguments as of ``completions``.

    Args:
      system: a message before the others.
    """
    client = _client(context, url, key_variable, cache, per_minute)
    return ChatEndpoint(client, model, parallel, system)


def _client(context: Context, url: str, key_variable: str, cache: str, per_minute: float) -> Client:
    kept = cache or pathlib.Path(context.workdir) / "answers"
    key = os.environ.get(key_variable, "")
    return Client(url, key, cache=kept, per_minute=per_minute)
