"""A run: the stages of a recipe one after another, taken up where it was left."""

import json
import os
import pathlib

from ml_collections import ConfigDict

from reasoning_jax.evals.report import write_report
from reasoning_jax.models import save_hf
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.context import Context, build_context
from reasoning_jax.stages.recipe import stage_modules
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.metrics import START

# Meta of the checkpoint that holds the parameters a run begins with.
_INITIAL = {"stage": "", "index": -1, "step": 0, "done": True, "number": 0, "log": START}


def run(config: ConfigDict, workdir: str | os.PathLike) -> None:
    """Runs all stages of ``config`` in ``workdir``, or the rest of them if it has begun.

    At the end the parameters lie in ``workdir/model`` as a Hugging Face folder with their
    tokenizer, and ``workdir/report.html`` shows the run.

    Raises:
      ValueError, FileNotFoundError: something cannot work; raised before any work.
      RuntimeError: a stage did not reach what the next one needs.
      Interrupted: asked to end; a checkpoint was left.
    """
    workdir = pathlib.Path(workdir).absolute()
    modules = stage_modules(config)
    context = build_context(config, workdir)
    for name, module in modules.items():
        try:
            module.validate(context, config[name])
        except ValueError as error:
            raise ValueError(f"config.{name}: {error}") from error
    context = context.with_outputs()
    try:
        _run_stages(context, modules)
        _export(context)
    finally:
        context.checkpoints.close()
        context.log.close()
        metrics = workdir / "metrics.jsonl"
        if is_main_process() and metrics.exists() and metrics.stat().st_size:
            print(f"report: {write_report(workdir)}", flush=True)


def _run_stages(context: Context, modules: dict) -> None:
    config, checkpoints = context.config, context.checkpoints
    numbers = checkpoints.numbers()
    meta = checkpoints.meta(numbers[-1]) if numbers else dict(_INITIAL)
    if is_main_process():
        _announce(context, meta if numbers else None)
        context.log.rewind(meta["log"])
        _write_config(config, context.workdir)

    if not numbers:
        params = context.initial_params()
        checkpoints.save(0, params, None, meta)
    elif meta["done"]:
        params = checkpoints.params(meta["number"], context.abstract_params())
    else:
        params = None  # the stage restores them with its optimiser
    for index in range(meta["index"] + int(meta["done"]), len(config.stages)):
        name = config.stages[index]
        resumed = None if meta["done"] else meta
        first = meta["number"] if meta["done"] else meta["first_number"]
        stage = Stage(context, name, index, config[name], first, resumed)
        params = modules[name].run(stage, params)
        meta = {"done": True, "number": checkpoints.numbers()[-1]}
    checkpoints.wait()


def _announce(context: Context, meta: dict | None) -> None:
    """Says where the run goes on, and what of its config has changed since it began."""
    if meta is None:
        return
    what = f"stage {meta['stage']!r}, step {meta['step']}" if meta["stage"] else "the beginning"
    print(f"resuming {context.workdir} after {what}", flush=True)
    path = context.workdir / "config.json"
    if path.exists():
        before, now = _flat(json.loads(path.read_text())), _flat(_plain(context.config))
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                print(f"  config.{key} was {before.get(key)!r}, is {now.get(key)!r}", flush=True)


def _write_config(config: ConfigDict, workdir: pathlib.Path) -> None:
    (workdir / "config.json").write_text(json.dumps(_plain(config), indent=2) + "\n")


def _plain(config: ConfigDict) -> dict:
    return json.loads(config.to_json_best_effort())


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in tree.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _export(context: Context) -> None:
    """Writes the last parameters and the tokenizer as a model folder."""
    number = context.checkpoints.numbers()[-1]
    params = context.checkpoints.params(number, context.abstract_params())
    folder = context.workdir / "model"
    save_hf(folder, context.model, params)
    if is_main_process():
        context.tokenizer.save(folder)
