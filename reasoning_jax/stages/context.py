"""What every stage of a run shares, built and checked once, before any work."""

import dataclasses
import fcntl
import io
import pathlib

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from reasoning_jax.models import (
    LoraConfig,
    ModelConfig,
    Transformer,
    init_params,
    load_model,
    preset,
)
from reasoning_jax.models.attention import check_implementation
from reasoning_jax.models.energy import EnergyModel
from reasoning_jax.models.hf import read_config
from reasoning_jax.models.remat import remat_policy
from reasoning_jax.models.transformer import suited_unroll
from reasoning_jax.parallel import is_main_process, make_mesh
from reasoning_jax.sampling import EnergySampler, Sampler, TurnSampler
from reasoning_jax.stages.adapters import build_lora, first_adapters
from reasoning_jax.stages.chat import build_chat
from reasoning_jax.stages.energy.model import (
    all_of_energy,
    build_energy,
    check_energy,
    energy_sampler,
    first_energy_params,
)
from reasoning_jax.stages.tools import Tooling, build_tooling
from reasoning_jax.stages.verification import build_verifier
from reasoning_jax.tasks import Task, load_task
from reasoning_jax.text import Tokenizer, load_tokenizer
from reasoning_jax.training.checkpoint import Checkpoints
from reasoning_jax.training.metrics import NullLog, RunLog
from reasoning_jax.training.state import with_shardings
from reasoning_jax.training.trainable import Trainable, adapters, all_parameters
from reasoning_jax.verify.verifier import Verifier

# Held until the process ends; a second run in the same process has it already.
_LOCKS: dict[pathlib.Path, io.TextIOWrapper] = {}


@dataclasses.dataclass(frozen=True)
class Context:
    """The things a stage works with.

    Attributes:
      config: the whole resolved config.
      workdir: where everything is written.
      mesh: devices.
      tokenizer, task, model: what is trained on what.
      lora: the adapters that are trained, or None where all parameters are.
      trainable: what is trained of the model, and how parameters come from it.
      tooling: the tools that completions may call, if any.
      verifier: judges answers; its workers start with the first answer that needs one.
      log: metrics and samples; writes nothing except on the main process.
      checkpoints: the run's checkpoints. Both are None until ``with_outputs``.
      frozen: the parameters under adapters; None until ``with_frozen``, and where there are none.
    """

    config: ConfigDict
    workdir: pathlib.Path
    mesh: Mesh
    tokenizer: Tokenizer
    task: Task
    model: ModelConfig
    lora: LoraConfig | None
    trainable: Trainable
    tooling: Tooling
    verifier: Verifier
    log: RunLog | NullLog | None = None
    checkpoints: Checkpoints | None = None
    frozen: dict | None = None

    def with_outputs(self) -> "Context":
        """The same context with its workdir made and open for writing."""
        self.workdir.mkdir(parents=True, exist_ok=True)
        if is_main_process():
            _lock(self.workdir)
        log = RunLog(self.workdir) if is_main_process() else NullLog()
        checkpoints = Checkpoints(self.workdir / "checkpoints")
        return dataclasses.replace(self, log=log, checkpoints=checkpoints)

    def with_frozen(self) -> "Context":
        """The same context with the parameters that adapters are laid over, if any."""
        if self.lora is None:
            return self
        dtype = jnp.dtype(self.config.lora.base_dtype)
        return dataclasses.replace(self, frozen=self._first_parameters(dtype))

    @property
    def dtype(self) -> jnp.dtype:
        """Computation dtype."""
        return jnp.dtype(self.config.dtype)

    def transformer(self) -> Transformer:
        """The model as the trainer runs it."""
        return Transformer(
            self.model,
            self.mesh,
            self.dtype,
            remat_policy(self.config.remat),
            self.config.unroll or suited_unroll(self.model, self.mesh),
            self.config.attention,
        )

    @property
    def energy(self) -> EnergyModel | None:
        """The energy model as the trainer runs it, None where the run has a plain transformer."""
        return build_energy(self.config.energy, self.transformer())

    def params(self, trained: dict) -> dict:
        """The parameters of the model, from what is trained of them."""
        return self.trainable.assemble(trained, self.frozen)

    def sampler(self, trained: dict) -> Sampler | TurnSampler | EnergySampler:
        """A sampler over the training parameters, with the run's tools."""
        if self.energy is not None:
            return energy_sampler(
                self.config, self.energy, self.params(trained), self.tokenizer, self.mesh
            )
        sampler = Sampler(
            self.model,
            self.params(trained),
            self.tokenizer,
            self.mesh,
            self.config.sampler_rows,
            self.dtype,
            self.config.attention,
        )
        return self.tooling.wrap(sampler)

    def first_trained(self) -> dict:
        """What is trained, as a run begins with it."""
        if self.lora is None:
            return self._first_parameters(jnp.float32)
        config = self.config
        return first_adapters(config.lora, self.model, self.lora, config.seed, self.mesh)

    def restore(self, number: int) -> dict:
        """What is trained, from a checkpoint."""
        trainable = self.trainable
        return self.checkpoints.params(
            number, with_shardings(trainable.abstract, trainable.shardings)
        )

    def _first_parameters(self, dtype: jnp.dtype) -> dict:
        """The model's parameters, read from its folder or fresh."""
        if self.energy is not None:
            return first_energy_params(self.config, self.model, self.mesh)
        if is_model_folder(self.config.model):
            return load_model(self.config.model, self.mesh, dtype)[1]
        params = init_params(self.model, jax.random.key(self.config.seed), self.mesh)
        return jax.tree.map(lambda x: x.astype(dtype), params)


def build_context(config: ConfigDict, workdir: pathlib.Path) -> Context:
    """Builds the context of a run; writes nothing.

    Raises:
      ValueError, FileNotFoundError: anything in the config that cannot work.
    """
    if not config.model:
        raise ValueError("config.model is empty: give a model folder or the name of a preset")
    if config.dtype not in ("float32", "bfloat16"):
        raise ValueError(f"config.dtype is {config.dtype!r}; choose float32 or bfloat16")
    if config.unroll < 0:
        raise ValueError(f"config.unroll is {config.unroll}; give a number of layers, or 0")
    check_implementation(config.attention)
    remat_policy(config.remat)
    mesh = make_mesh(**config.mesh)
    task = load_task(config.task, config.data, **config.task_options)
    source = tokenizer_source(config, task)
    tokenizer = build_chat(config.chat, load_tokenizer(source), source)
    if is_model_folder(config.model):
        if config.model_overrides:
            raise ValueError(
                f"model_overrides {dict(config.model_overrides)} cannot change the model folder "
                f"{config.model}; they are for presets"
            )
        model = read_config(pathlib.Path(config.model))
    else:
        model = preset(config.model, tokenizer.vocab_size, config.model_overrides)
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} ids but the model's embedding only "
            f"{model.vocab_size} rows; they do not belong together"
        )
    verifier = build_verifier(config.verify)
    tooling = build_tooling(config.tools, tokenizer)
    lora = build_lora(config.lora, model)
    if config.energy.landscapes:
        trainable = all_of_energy(config.energy, model, mesh, lora)
    elif lora is None:
        trainable = all_parameters(model, mesh)
    else:
        trainable = adapters(model, lora, mesh, config.seed)
    context = Context(
        config, workdir, mesh, tokenizer, task, model, lora, trainable, tooling, verifier
    )
    check_energy(config, context.energy)
    return context


def _lock(workdir: pathlib.Path) -> None:
    """Takes the workdir for this process until it ends; ValueError if another one has it."""
    if workdir in _LOCKS:
        return
    file = open(workdir / "lock", "w")  # noqa: SIM115  (held open: closing gives it up)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ValueError(f"another process is running in {workdir}; wait for it to end") from error
    except OSError:
        file.write("this file system has no locks\n")
    _LOCKS[workdir] = file


def is_model_folder(model: str) -> bool:
    """Whether the config's model is a path rather than the name of a preset."""
    return "/" in model or (pathlib.Path(model) / "config.json").is_file()


def tokenizer_source(config: ConfigDict, task: Task) -> str:
    """Where the tokenizer comes from: the config, else the model folder, else the task."""
    if config.tokenizer:
        return config.tokenizer
    if is_model_folder(config.model):
        return config.model
    if task.alphabet:
        return f"char:{task.alphabet}"
    raise ValueError(
        f"task {config.task!r} has no alphabet of its own: set tokenizer to a folder with a "
        "tokenizer.json, a SentencePiece .model file, or char:<alphabet>"
    )
