"""A run: the stages of a recipe one after another, taken up where it was left."""

import json
import os
import pathlib

from ml_collections import ConfigDict

from reasoning_jax.evals.report import write_report
from reasoning_jax.models import save_hf, save_peft
from reasoning_jax.models.energy import save_energy
from reasoning_jax.parallel import is_main_process
from reasoning_jax.stages.context import Context, build_context
from reasoning_jax.stages.energy.model import energy_settings
from reasoning_jax.stages.recipe import stage_modules
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.metrics import START

# Meta of the checkpoint that holds the parameters a run begins with.
_INITIAL = {
    "stage": "",
    "index": -1,
    "stages": [],
    "step": 0,
    "done": True,
    "number": 0,
    "log": START,
}


def run(config: ConfigDict, workdir: str | os.PathLike) -> None:
    """Runs all stages of ``config`` in ``workdir``, or the rest of them if it has begun.

    At the end the parameters lie in ``workdir/model`` as a Hugging Face folder with their
    tokenizer, and ``workdir/report.html`` shows the run.

    Raises:
      ValueError, FileNotFoundError: something cannot work; raised before any work.
      RuntimeError: a stage did not reach what the next one needs.
      Interrupted: asked to end; a checkpoint was left.
    """
    context, modules = check(config, workdir)
    workdir = context.workdir
    context = context.with_outputs().with_frozen()
    try:
        _run_stages(context, modules)
        _export(context)
    finally:
        context.verifier.close()
        context.checkpoints.close()
        context.log.close()
        metrics = workdir / "metrics.jsonl"
        if is_main_process() and metrics.exists() and metrics.stat().st_size:
            print(f"report: {write_report(workdir)}", flush=True)


def check(config: ConfigDict, workdir: str | os.PathLike) -> tuple[Context, dict]:
    """What a run is made of, after checking all of its config; writes nothing.

    Returns:
      The context, without outputs, and the module of every stage by name.

    Raises:
      ValueError, FileNotFoundError: something cannot work.
    """
    if "://" in str(workdir):
        raise ValueError(
            f"workdir {workdir} is remote; mount the bucket as a folder (launch/tpu_pod.sh does)"
        )
    workdir = pathlib.Path(workdir).absolute()
    if workdir.exists() and not workdir.is_dir():
        raise ValueError(f"workdir {workdir} is a file; name a folder")
    modules = stage_modules(config)
    context = build_context(config, workdir)
    for name, module in modules.items():
        try:
            module.validate(context, config[name])
        except ValueError as error:
            raise ValueError(f"config.{name}: {error}") from error
    return context, modules


def _run_stages(context: Context, modules: dict) -> None:
    config, checkpoints = context.config, context.checkpoints
    numbers = checkpoints.numbers()
    meta = checkpoints.meta(numbers[-1]) if numbers else dict(_INITIAL)
    _check_stages(config, meta)
    if is_main_process():
        _announce(context, meta if numbers else None)
        context.log.rewind(meta["log"])
        _write_config(config, context.workdir)

    if not numbers:
        params = context.first_trained()
        checkpoints.save(0, params, None, meta)
    elif meta["done"]:
        params = context.restore(meta["number"])
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


def _check_stages(config: ConfigDict, meta: dict) -> None:
    """ValueError unless the stages up to the checkpoint's are those it was written under."""
    begun = meta["index"] + 1
    before, now = list(meta["stages"][:begun]), list(config.stages[:begun])
    if before != now:
        raise ValueError(
            f"the workdir holds a run of stages {before}, but config.stages begins with {now}; "
            "stages may be appended, not changed: use a new workdir"
        )


def _announce(context: Context, meta: dict | None) -> None:
    """Says where the run goes on, and what of its config has changed since it began."""
    if meta is None:
        return
    what = f"stage {meta['stage']!r}, step {meta['step']}" if meta["stage"] else "the beginning"
    print(f"resuming {context.workdir} after {what}", flush=True)
    path = context.workdir / "config.json"
    if path.exists():
        try:
            before = _flat(json.loads(path.read_text()))
        except json.JSONDecodeError:
            return  # torn while it was written: nothing to compare with
        now = _flat(_plain(context.config))
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                print(f"  config.{key} was {before.get(key)!r}, is {now.get(key)!r}", flush=True)


def _write_config(config: ConfigDict, workdir: pathlib.Path) -> None:
    unfinished = workdir / "config.json.tmp"
    unfinished.write_text(json.dumps(_plain(config), indent=2) + "\n")
    unfinished.replace(workdir / "config.json")


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
    """Writes the last parameters and the tokenizer as a model folder, adapters also alone."""
    trained = context.restore(context.checkpoints.numbers()[-1])
    folder, tokenizer = context.workdir / "model", context.tokenizer
    if is_main_process():
        tokenizer.save(folder)
    token_ids = {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": list(tokenizer.eos_ids),
        "pad_token_id": tokenizer.pad_id,
    }
    params = context.trainable.merge(trained, context.frozen)
    if context.energy is not None:
        settings = energy_settings(context.config.energy)
        save_energy(folder, context.model, params, settings, token_ids)
        return
    save_hf(folder, context.model, params, token_ids=token_ids)
    if context.lora is not None:
        save_peft(
            context.workdir / "adapter",
            context.model,
            context.lora,
            trained,
            base_model=context.config.model,
        )
