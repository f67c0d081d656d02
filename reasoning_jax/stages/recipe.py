"""The config of a run: its top level, how it is put together, and how it is checked."""

import difflib
import importlib
from types import ModuleType

from ml_collections import ConfigDict

from reasoning_jax.stages.adapters import lora_block
from reasoning_jax.stages.chat import chat_block
from reasoning_jax.stages.energy.model import energy_block
from reasoning_jax.stages.tools import tools_block
from reasoning_jax.stages.verification import verify_block


def recipe(name: str, header: str = "") -> ConfigDict:
    """The top level every config has, at its defaults; stages are added with ``add_stage``.

    Args:
      name: of the recipe.
      header: its description for the report; pass the config file's docstring.
    """
    config = ConfigDict()
    config.name = name
    config.header = header
    config.seed = 0
    config.stages = ()  # names, in order; each has a block of that name
    config.model = "micro"  # a preset, or a folder in Hugging Face format
    config.model_overrides = ConfigDict()  # fields of a preset to replace
    config.tokenizer = ""  # folder, file or char:<alphabet>; empty: the model's, else the task's
    config.chat = chat_block()  # how a problem is put to the model
    config.task = "modchain"  # an embedded task, or package.module:Class
    config.task_options = ConfigDict()
    config.data = ""  # folder of a file-backed task
    # sizes of the mesh axes; -1 takes the devices that are left
    config.mesh = ConfigDict({"data": -1, "fsdp": 1, "tensor": 1, "expert": 1})
    config.dtype = "float32"  # of the computation; parameters stay float32
    # what blocks keep for the backward pass: none (no recomputation), dots, projections, full
    config.remat = "none"
    # auto is folded on CPUs, cudnn on GPUs where it can, else xla; or blockwise (long rows), splash
    config.attention = "auto"
    # layers per iteration of the scan, more is faster and compiles longer; 0: all on GPUs, else one
    config.unroll = 0
    config.sampler_rows = 512  # most completions decoded at once
    config.lora = lora_block()  # adapters to train in place of the parameters
    config.energy = energy_block()  # an energy model in place of a plain transformer
    config.tools = tools_block()  # what a policy may call while it writes
    config.verify = verify_block()  # workers that check answers, and how many checks may fail
    return config


def add_stage(config: ConfigDict, name: str, module: str) -> ConfigDict:
    """Appends a stage with its module's defaults and returns its block to adjust.

    Args:
      name: unique in the recipe; it names metrics lines and samples files.
      module: dotted name of a stage module.

    Raises:
      ValueError: the config has a key of that name already.
    """
    if name in config:
        raise ValueError(
            f"a stage cannot be named {name!r}: the config has a key of that name already; "
            "choose another name"
        )
    block = _module(module, name).default_config()
    config[name] = block
    config.stages = (*config.stages, name)
    return block


def stage_modules(config: ConfigDict) -> dict[str, ModuleType]:
    """Stage name -> module, after checking every key of the config.

    Raises:
      ValueError: a key that does not exist or is missing, naming it and the nearest one.
    """
    if not config.stages:
        raise ValueError("config.stages is empty: name at least one stage")
    modules = {}
    for name in config.stages:
        if name not in config:
            raise ValueError(f"config.stages names {name!r} but there is no config.{name} block")
        modules[name] = _module(config[name].stage, name)
        _check_keys(config[name], modules[name].default_config(), f"config.{name}")
    top = {key: value for key, value in config.items() if not _is_stage(value)}
    _check_keys(ConfigDict(top), recipe(""), "config")
    return modules


def _is_stage(value: object) -> bool:
    return isinstance(value, ConfigDict) and "stage" in value


def _module(name: str, stage: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"config.{stage}.stage: cannot import {name!r} ({error})") from error
    for attribute in ("default_config", "validate", "run"):
        if not hasattr(module, attribute):
            raise ValueError(f"config.{stage}.stage: module {name!r} has no {attribute}()")
    return module


def _check_keys(given: ConfigDict, known: ConfigDict, where: str) -> None:
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known.keys(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; keys: {', '.join(known)}"
            raise ValueError(f"{where} has an unknown key {key!r}{hint}")
        # Named functions and free-form blocks bring keys of their own.
        free = isinstance(known[key], ConfigDict) and (not known[key] or "name" in known[key])
        if isinstance(value, ConfigDict) and isinstance(known[key], ConfigDict) and not free:
            _check_keys(value, known[key], f"{where}.{key}")
    for key in known:
        if key not in given:
            raise ValueError(f"{where} lacks the key {key!r}")
