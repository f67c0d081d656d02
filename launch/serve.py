"""Serves a model over HTTP as OpenAI's API has it: python -m launch.serve --model=DIR --port=8000.

DIR is a model folder in Hugging Face format, or the workdir of a finished run. Needs the extra
``serve``. What a request leaves out is as --max_tokens, --temperature, --top_p, --top_k, --n and
--stop say.
"""

from launch import environment  # isort: skip  (before jax starts)

import os
import pathlib
import sys

from absl import flags

from launch.sampler_flags import SamplerParts, load_parts, sampling_params

MODEL = flags.DEFINE_string("model", None, "Model folder, or workdir of a run.", required=True)
NAME = flags.DEFINE_string("name", None, "What the model is called; by default its folder.")
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0 is all.")
PORT = flags.DEFINE_integer("port", 8000, "Port; 0 is a free one.", lower_bound=0)
API_KEY = flags.DEFINE_string(
    "api_key",
    None,
    "Key that clients must give; the default is the environment's REASONING_JAX_API_KEY, which "
    "other users of the machine cannot see.",
)
MAX_ROWS = flags.DEFINE_integer("max_rows", 64, "Completions decoded at once.", lower_bound=1)
MAX_WAITING = flags.DEFINE_integer("max_waiting", 1024, "Prompts in the queue.", lower_bound=1)
MAX_REQUEST_TOKENS = flags.DEFINE_integer(
    "max_request_tokens", 4096, "Most tokens a request may ask for.", lower_bound=1
)
MAX_BODY_MB = flags.DEFINE_integer("max_body_mb", 4, "Size limit of a request.", lower_bound=1)
GRACE = flags.DEFINE_float("grace", 30.0, "Seconds for what was begun, after SIGTERM.")


def main(_: list[str]) -> None:
    """Loads, serves, ends on SIGTERM."""
    import asyncio

    try:
        from reasoning_jax.serving.app import build_app
        from reasoning_jax.serving.server import serve_until_signal
    except ImportError as error:
        raise RuntimeError(str(error)) from error
    key = API_KEY.value or os.environ.get("REASONING_JAX_API_KEY", "")
    defaults = sampling_params()  # what is wrong with the flags is told before loading
    parts = load_parts(MODEL.value)
    batcher = _batcher(parts)
    app = build_app(batcher, _rules(parts, defaults), key, MAX_BODY_MB.value << 20)

    def ready(address: str) -> None:
        if HOST.value not in ("127.0.0.1", "::1", "localhost") and not key:
            print("warning: anyone who reaches this port may use it: no --api_key", file=sys.stderr)
        print(f"serving {MODEL.value} at {address}/v1", flush=True)

    asyncio.run(serve_until_signal(app, batcher, HOST.value, PORT.value, ready, GRACE.value))


def _batcher(parts: SamplerParts):
    """The queue, its thread and what they run."""
    from reasoning_jax.models import Transformer
    from reasoning_jax.sampling import TurnSampler
    from reasoning_jax.serving import Batcher, RowWriter, Scorer, TurnWriter

    sampler = parts.tooling.wrap(parts.sampler)
    if isinstance(sampler, TurnSampler):
        writer = TurnWriter(sampler)
    else:
        writer = RowWriter(sampler, MAX_ROWS.value)
    model = Transformer(parts.config, mesh=parts.mesh, dtype=parts.dtype)
    scorer = Scorer(model, parts.sampler.params, parts.mesh, parts.tokenizer.vocab_size)
    return Batcher(writer, scorer, MAX_ROWS.value, MAX_WAITING.value)


def _rules(parts: SamplerParts, defaults):
    """What requests may ask for."""
    from reasoning_jax.serving import Rules

    folder = pathlib.Path(MODEL.value)
    name = NAME.value or folder.resolve().name
    return Rules(
        names=(name, MODEL.value),
        tokenizer=parts.tokenizer,
        context=parts.config.max_position,
        max_tokens=MAX_REQUEST_TOKENS.value,
        max_rows=MAX_ROWS.value,
        defaults=defaults,
        chat=_chat(parts),
    )


def _chat(parts: SamplerParts):
    """How messages become a prompt: by the template named, else the folder's, else ChatML."""
    from reasoning_jax.serving.chat import chat_encoder, default_template
    from reasoning_jax.stages.chat import MODEL_NAME, named_template
    from reasoning_jax.stages.exported import model_folder

    block, folder = parts.chat, model_folder(MODEL.value)
    if block["template"]:
        template = named_template(block["template"], folder)
    else:
        try:
            template = named_template(MODEL_NAME, folder)
        except ValueError:  # the folder has none
            template = default_template(parts.tokenizer)
    if template is None:
        return None
    return chat_encoder(parts.tokenizer, template, block["system"], block["variables"])


if __name__ == "__main__":
    environment.run(main)
