"""The form of a run's prompts, as its config names it: plain text, or a conversation."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from reasoning_jax.text import CHATML, ChatTemplate, ChatTokenizer, Tokenizer, load_chat_template

CHATML_NAME, MODEL_NAME = "chatml", "model"


def chat_block() -> ConfigDict:
    """How a problem is put to the model; at its defaults its prompt is the text to continue."""
    block = ConfigDict()
    # model: the template of the tokenizer's folder; chatml; or a file with a Jinja template
    block.template = ""
    block.system = ""  # message before the problem
    block.variables = ConfigDict()  # of the template, such as enable_thinking
    return block


def build_chat(
    block: Mapping[str, Any], tokenizer: Tokenizer, source: str | os.PathLike
) -> Tokenizer:
    """The tokenizer with prompts in the form that a ``chat_block`` describes.

    Args:
      source: where the tokenizer is from.

    Raises:
      ValueError, FileNotFoundError: something in the block that cannot work.
    """
    if not block["template"]:
        if block["system"] or block["variables"]:
            raise ValueError("config.chat has no template for its system message or variables")
        return tokenizer
    try:
        template = named_template(block["template"], source)
        return ChatTokenizer(tokenizer, template, block["system"], block["variables"])
    except ValueError as error:
        raise ValueError(f"config.chat: {error}") from error


def named_template(name: str, source: str | os.PathLike) -> ChatTemplate:
    """ChatML, the template of the folder that ``source`` is or is in, or that of a file.

    Raises:
      ValueError, FileNotFoundError: there is none of that name.
    """
    if name == CHATML_NAME:
        return CHATML
    if name == MODEL_NAME:
        folder = pathlib.Path(source)
        return load_chat_template(folder if folder.is_dir() else folder.parent)
    path = pathlib.Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"config.chat.template is {name!r}: neither {MODEL_NAME}, {CHATML_NAME} nor a file"
        )
    return ChatTemplate(path.read_text(encoding="utf-8"))
