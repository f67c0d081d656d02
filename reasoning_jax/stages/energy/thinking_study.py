"""Measures what a model makes of texts near and far from those it was trained on.

An energy model is asked at growing numbers of thoughts, at several step sizes and from M starts; a
plain transformer once. A gain by thinking counts where it persists with ``init_scale`` at most
0.1 and choosing by energy beats the mean of the M logits: else it is the noise of a start that
goes away (BUILD_NOTES.md).
"""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.evals.console import evaluation_table
from reasoning_jax.functions import function
from reasoning_jax.models.energy import Thinking
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.blocks import check_rows, named
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.energy.evaluation import correlation, held_out_choice
from reasoning_jax.stages.pretrain import held_out_nll
from reasoning_jax.stages.pretrain_text import floor_of, text_rows
from reasoning_jax.stages.stage import Stage
from reasoning_jax.tasks import load_task
from reasoning_jax.text.packing import PackedRows


def default_config() -> ConfigDict:
    """The stage's block."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.energy.thinking_study"
    block.split = "test"
    block.documents = 256
    block.row_tokens = 128
    block.rows = 32  # at once
    # besides the text "same", as in training: name of a text -> options of the task that differ
    block.texts = ConfigDict()
    block.noise = 0.1  # share of context tokens drawn anew in the text "noisy"; 0: no such text
    block.loops = 1  # of a plain transformer, as it was trained
    block.trained = 2  # thoughts that training takes
    block.steps = 12  # most thoughts
    block.init_scale = 0.1
    # what thinking begins with, as in training
    block.start = named("reasoning_jax.models.energy.Noise")
    block.size_rule = named("reasoning_jax.models.energy.Learned")
    block.step_scales = (0.5, 1.0)  # multiples of the trained step size
    block.starts = 8  # M
    block.seed = 0
    return block


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against text and model; raises ValueError."""
    check_rows(context, block.rows, 1, "rows")
    if not 0 <= block.noise < 1:
        raise ValueError(f"noise is {block.noise}; a share of tokens lies in [0, 1)")
    if not 1 <= block.trained <= block.steps or 1.0 not in block.step_scales:
        raise ValueError(
            f"trained {block.trained} must lie in [1, steps {block.steps}], and step_scales "
            f"{tuple(block.step_scales)} hold 1.0, the size of training"
        )
    _thinking_of(block)
    for _ in _texts(context, block):
        pass


def run(stage: Stage, params: dict) -> dict:
    """Measures, logs and prints; returns the parameters unchanged."""
    context, block = stage.context, stage.config
    metrics: dict[str, float] = {}
    for name, rows, floor in _texts(context, block):
        measure = _plain if context.energy is None else _thinking
        found = measure(context, block, rows, params)
        if floor is not None:
            found["regret"] = found["nll"] - floor
        metrics |= {f"eval/{name}/{key}": value for key, value in found.items()}
    context.log.log(stage.name, 0, metrics)
    if is_main_process():
        evaluation_table(stage.name, {k: v for k, v in metrics.items() if "/curve" not in k})
    stage.finish(0, params)
    return params


def _thinking_of(block: ConfigDict) -> Thinking:
    rules = {name: function(block[name], name)() for name in ("start", "size_rule")}
    return Thinking(steps=block.steps, init_scale=block.init_scale, **rules)


def _plain(context: Context, block: ConfigDict, rows: PackedRows, params: dict) -> dict:
    return {"nll": held_out_nll(context, rows, block.rows, block.loops)(params)}


def _thinking(context: Context, block: ConfigDict, rows: PackedRows, params: dict) -> dict:
    """Curves over thoughts, and what a choice among starts is worth.

    ``gain`` is what thoughts beyond the trained number take off the loss at best, at any of the
    step sizes; ``choice_gain`` how much lower the loss of the least energy is than that of the
    mean of the logits.
    """
    thinking = _thinking_of(block)
    found: dict[str, float] = {}
    least = np.inf
    for scale in block.step_scales:
        mean = held_out_choice(
            context, rows, block.rows, thinking, block.trained, block.starts, block.seed, scale
        )(params)
        for t in range(block.steps + 1):
            found[f"curve_x{scale:g}/{t}"] = float(mean.nll[t])
        least = min(least, mean.nll[block.trained :].min())
        if scale == 1.0:
            found["nll"] = float(mean.nll[block.trained])
            found[f"best_of_{block.starts}"] = float(mean.best)
            found[f"mean_of_{block.starts}"] = float(mean.mean)
            found["choice_gain"] = float(mean.mean - mean.best)
            found["change"] = float(mean.change)
            found["correlation"] = correlation(mean.moments)
    found["gain"] = float(found["nll"] - least)
    return found


def _texts(context: Context, block: ConfigDict):
    """(name, rows, least possible nats a token or None) of each text."""
    config = context.config
    for name, options in {"same": {}, **block.texts}.items():
        task = load_task(config.task, config.data, **{**config.task_options, **options})
        other = dataclasses.replace(context, task=task)
        rows = text_rows(other, block.split, block.documents, block.row_tokens, seed=0)
        yield name, rows, floor_of(other)
    if block.noise:
        rows = text_rows(context, block.split, block.documents, block.row_tokens, seed=0)
        yield "noisy", _with_noise(rows, block.noise, context.tokenizer.vocab_size), None


def _with_noise(rows: PackedRows, share: float, vocab_size: int) -> PackedRows:
    """Tokens replaced by random ones, which are read and not predicted."""
    rng = np.random.default_rng(0)
    replaced = (rng.random(rows.tokens.shape) < share) & (rows.segment_ids > 0)
    # Ids of padding and of the end of a text come first and are left out.
    others = rng.integers(2, vocab_size, rows.tokens.shape, dtype=np.int32)
    return dataclasses.replace(
        rows,
        tokens=np.where(replaced, others, rows.tokens),
        loss_mask=rows.loss_mask & ~replaced,
    )
