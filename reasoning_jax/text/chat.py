"""Conversations as text and ids, by the chat template of a model folder.

Templates are Jinja programs written by strangers; they run in Jinja's immutable sandbox with the
environment that transformers gives them, so both render the same text.
"""

import dataclasses
import datetime
import functools
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reasoning_jax.text.special_tokens import CHAT_TEMPLATE, read_object
from reasoning_jax.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    import jinja2

_SPECIAL = tuple(f"{role}_token" for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_DEFAULT = "default"


@dataclasses.dataclass(frozen=True)
class ChatTemplate:
    """A Jinja template over ``messages``.

    Attributes:
      source: the template.
      special_tokens: what it may refer to, such as ``{"bos_token": "<s>"}``.
    """

    source: str
    special_tokens: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool = True,
        **extra: Any,
    ) -> str:
        """The conversation as text, special tokens spelled out.

        The text begins with BOS where the template says so: encode it with ``encode_chat``, for
        ``encode_prompt`` would add another.

        Args:
          messages: in order, each with ``role`` and ``content``: a string or a list of parts, or
            none beside ``tool_calls``. Keys with value None count as absent.
          add_generation_prompt: end with the opening of an assistant message.
          extra: further variables of the template, such as ``tools`` or ``enable_thinking``.

        Raises:
          ValueError: malformed messages, or the template is broken or refuses them.
        """
        template = _compile(self.source)
        messages = _checked(messages)
        variables = {"tools": None, "documents": None, **self.special_tokens, **extra}
        try:
            return template.render(
                **variables, messages=messages, add_generation_prompt=add_generation_prompt
            )
        except Exception as error:  # a program may fail in any way
            raise ValueError(
                f"the chat template does not accept these messages: {error} "
                f"(roles: {', '.join(message['role'] for message in messages)})"
            ) from error


CHATML = ChatTemplate(
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""For models whose folder has no template and whose tokenizer knows the tokens of ChatML."""


def load_chat_template(folder: str | os.PathLike, name: str | None = None) -> ChatTemplate:
    """The chat template of a model folder.

    It stands in ``chat_template.jinja`` (others in ``additional_chat_templates/NAME.jinja``), else
    in ``tokenizer_config.json``, as one string or as a list of named ones.

    Args:
      name: of one among several; None for ``default``, or the only one.

    Raises:
      FileNotFoundError: no such folder.
      ValueError: no template, none of that name, or one that is not valid Jinja.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}; give a model folder")
    config = read_object(folder / "tokenizer_config.json")
    try:
        templates = _template_files(folder) or _named(config.get("chat_template"))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}: chat_template in tokenizer_config.json is neither a string nor a list of "
            '{"name": ..., "template": ...}'
        ) from error
    if not templates:
        raise ValueError(
            f"{folder} has no chat template, neither chat_template.jinja nor chat_template in "
            "tokenizer_config.json; add one, or use the built-in CHATML"
        )
    key = name or (_DEFAULT if len(templates) > 1 else next(iter(templates)))
    if key not in templates:
        raise ValueError(
            f"{folder} has no chat template {key!r}; choose one of {', '.join(sorted(templates))}"
        )
    try:
        _compile(templates[key])
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error
    files = (read_object(folder / "special_tokens_map.json"), config)
    tokens = {
        role: token["content"] if isinstance(token, dict) else token
        for file in files
        for role in _SPECIAL
        if (token := file.get(role)) is not None
    }
    return ChatTemplate(templates[key], tokens)


def encode_chat(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    add_generation_prompt: bool = True,
    **extra: Any,
) -> list[int]:
    """Ids of a conversation, special tokens in its text as what they are.

    Nothing is added to what the template writes: it decides whether there is a BOS.

    Raises:
      ValueError: as ``ChatTemplate.render``, or a character the tokenizer cannot encode.
    """
    text = template.render(messages, add_generation_prompt, **extra)
    ids = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id}
    tokens = {template.special_tokens.get(f"{role}_token"): index for role, index in ids.items()}
    # To SentencePiece its control tokens are text like any other.
    spelled = {
        token: index
        for token, index in tokens.items()
        if token and token in text and len(tokenizer.encode(token)) > 1
    }
    unknown = [token for token, index in spelled.items() if index is None]
    if unknown:
        raise ValueError(
            f"the chat template writes {unknown[0]!r}, which the tokenizer is told not to "
            'use: set "add_bos_token": true in tokenizer_config.json'
        )
    if not spelled:
        return tokenizer.encode(text)
    encoded = []
    for part in re.split(f"({'|'.join(map(re.escape, spelled))})", text):
        encoded += [spelled[part]] if part in spelled else tokenizer.encode(part)
    return encoded


def _template_files(folder: pathlib.Path) -> dict[str, str]:
    files = {path.stem: path for path in folder.glob("additional_chat_templates/*.jinja")}
    if (folder / CHAT_TEMPLATE).is_file():
        files[_DEFAULT] = folder / CHAT_TEMPLATE
    return {name: path.read_text(encoding="utf-8") for name, path in files.items()}


def _named(entry: Any) -> dict[str, str]:
    """The templates of tokenizer_config.json: one string, or a list of named ones."""
    if isinstance(entry, list):
        return {item["name"]: item["template"] for item in entry}
    if not isinstance(entry, (str, type(None))):
        raise TypeError(entry)
    return {_DEFAULT: entry} if entry else {}


def _checked(messages: Any) -> list[dict[str, Any]]:
    """The messages without empty keys; ValueError naming what is wrong with one."""
    if isinstance(messages, (str, Mapping)) or not isinstance(messages, Sequence) or not messages:
        raise ValueError(
            f"messages are {messages!r}; expected at least one, as a list of "
            '{"role": "user", "content": "..."}'
        )
    return [_checked_message(f"messages[{i}]", message) for i, message in enumerate(messages)]


def _checked_message(name: str, message: Any) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f"{name} is {message!r}; expected a dict with role and content")
    message = {key: value for key, value in message.items() if value is not None}
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not role:
        raise ValueError(f"{name} has role {role!r}; expected a string such as 'user'")
    is_parts = isinstance(content, list) and all(isinstance(part, Mapping) for part in content)
    if (
        not isinstance(content, str)
        and not is_parts
        and not (content is None and message.get("tool_calls"))
    ):
        raise ValueError(
            f"{name} ({role}) has content {content!r}; expected a string or a list of parts such "
            'as {"type": "text", "text": "..."}'
        )
    return message


@functools.lru_cache
def _compile(source: str) -> "jinja2.Template":
    """The compiled template; ValueError where it is not valid Jinja."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}``, which marks what the assistant wrote, and changes no text."""

        tags = frozenset({"generation"})

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.Scope(body, lineno=line)

    def raise_exception(message: str):
        raise jinja2.TemplateError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        # Jinja's own escapes what is special in HTML.
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(
            f"the chat template is not valid Jinja, line {error.lineno}: {error.message}"
        ) from error
