"""Special ids, as the files of a model folder state them.

Model folders spread them over four files: ``tokenizer_config.json`` and
``special_tokens_map.json`` name tokens, ``generation_config.json`` and ``config.json`` give ids.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reasoning_jax.text.tokenizer import Tokenizer

CHAT_TEMPLATE = "chat_template.jinja"


@dataclasses.dataclass(frozen=True)
class SpecialTokens:
    """What the files beside a tokenizer say.

    Attributes:
      eos_ids: ids that end a sequence, the tokenizer's own first; empty where no file gives one.
      bos_id: beginning of sequence, or None where no file gives it.
      pad_id: padding, or None where no file gives it.
      add_bos: whether prompts start with ``bos_id``; None where no file says.
      tokenizer_config: that file and the chat template, to be written again by ``save``.
      generation_config: likewise.
    """

    eos_ids: tuple[int, ...]
    bos_id: int | None
    pad_id: int | None
    add_bos: bool | None
    tokenizer_config: Mapping[str, Any]
    generation_config: Mapping[str, Any]


def read_special_tokens(
    folder: str | os.PathLike, token_to_id: Callable[[str], int | None], vocab_size: int
) -> SpecialTokens:
    """Resolves the special ids of a model folder.

    The end-of-sequence ids are the tokenizer's own followed by the generation config's, which
    lists further ones for chat models; the model's config is asked only where both are silent.
    Ids outside the vocabulary (older files pad with -1) count as absent.

    Raises:
      ValueError: a file is there but is not a JSON object.
    """
    folder = pathlib.Path(folder)
    tokenizer_config = read_object(folder / "tokenizer_config.json")
    generation_config = read_object(folder / "generation_config.json")
    if (folder / CHAT_TEMPLATE).is_file():
        template = (folder / CHAT_TEMPLATE).read_text(encoding="utf-8")
        tokenizer_config = {**tokenizer_config, "chat_template": template}
    naming = (tokenizer_config, read_object(folder / "special_tokens_map.json"))
    config = read_object(folder / "config.json")

    def named(role: str) -> tuple[int, ...]:
        for file in naming:
            token = file.get(f"{role}_token")
            token = token.get("content") if isinstance(token, dict) else token
            if token is not None and (index := token_to_id(token)) is not None:
                return (index,)
        return ()

    def numbered(file: Mapping[str, Any], role: str) -> tuple[int, ...]:
        ids = file.get(f"{role}_token_id")
        ids = ids if isinstance(ids, list) else [ids]
        return tuple(i for i in ids if isinstance(i, int) and 0 <= i < vocab_size)

    def first(role: str) -> int | None:
        ids = named(role) or numbered(generation_config, role) or numbered(config, role)
        return ids[0] if ids else None

    eos_ids = named("eos") + numbered(generation_config, "eos") or numbered(config, "eos")
    return SpecialTokens(
        eos_ids=tuple(dict.fromkeys(eos_ids)),
        bos_id=first("bos"),
        pad_id=first("pad"),
        add_bos=tokenizer_config.get("add_bos_token"),
        tokenizer_config=tokenizer_config,
        generation_config=generation_config,
    )


def write_special_tokens(
    folder: str | os.PathLike,
    tokenizer: Tokenizer,
    id_to_token: Callable[[int], str],
    special: SpecialTokens,
) -> None:
    """Writes the two files from which ``read_special_tokens`` gives the ids of ``tokenizer``.

    Entries of the files first read, such as a chat template, are kept.
    """
    bos_id = special.bos_id if tokenizer.bos_id is None else tokenizer.bos_id
    tokenizer_config = {
        **special.tokenizer_config,
        "bos_token": None if bos_id is None else id_to_token(bos_id),
        "eos_token": id_to_token(tokenizer.eos_id),
        "pad_token": id_to_token(tokenizer.pad_id),
        "add_bos_token": tokenizer.bos_id is not None,
    }
    generation_config = {**special.generation_config, "eos_token_id": list(tokenizer.eos_ids)}
    folder = pathlib.Path(folder)
    for name, content in (
        ("tokenizer_config.json", tokenizer_config),
        ("generation_config.json", generation_config),
    ):
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")


def required_eos(candidates: Sequence[int], path: str | os.PathLike) -> tuple[int, ...]:
    """``candidates`` as a tuple; ValueError saying how to give one where there is none."""
    if not candidates:
        raise ValueError(
            f"{path} has no end-of-sequence token: none in the tokenizer, nor in "
            "tokenizer_config.json, special_tokens_map.json, generation_config.json or "
            'config.json beside it. Pass eos_ids=(ID,), or write {"eos_token": "TOKEN"} in '
            "tokenizer_config.json"
        )
    return tuple(candidates)


def read_object(path: pathlib.Path) -> Mapping[str, Any]:
    """The JSON object in a file; empty where there is no file."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); is it complete?") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a JSON {type(content).__name__}, expected an object")
    return content
