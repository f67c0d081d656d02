"""What a block must satisfy, checked before any work."""

from ml_collections import ConfigDict

from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import build_optimizer, check_context, check_rows
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.rl.fields import asked_fields
from reasoning_jax.stages.rl.functions import Functions, build_functions, moves, selects


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block against task, model and mesh; raises ValueError."""
    if block.group_size < 2:
        raise ValueError(f"group_size {block.group_size}: a group baseline needs at least 2")
    if block.temperature <= 0:
        raise ValueError(f"temperature {block.temperature}: sampling to learn needs it above 0")
    if context.lora is not None and context.lora.dropout:
        raise ValueError(
            f"config.lora.dropout is {context.lora.dropout}: the ratios of RL would compare two "
            "different networks; set it to 0"
        )
    _check_updates(context, block)
    build_optimizer(block.optimizer)
    functions = build_functions(block)
    _check_selection(functions)
    _check_coefficients(functions, block)
    asked_fields(functions, block)
    if block.steps < 1 or block.evaluate_every < 1:
        raise ValueError(
            f"steps {block.steps}, evaluate_every {block.evaluate_every}: both must be at least 1 "
            "(the guard needs evaluations)"
        )
    SamplingParams(max_tokens=block.max_tokens, temperature=block.temperature, n=block.group_size)
    evaluate.validate(context, block.evaluation)
    _check_problems(context, block)


def _check_updates(context: Context, block: ConfigDict) -> None:
    rows = block.prompts * block.group_size
    if block.updates < 1 or rows % block.updates:
        raise ValueError(f"{rows} completions do not divide into {block.updates} updates")
    if block.passes < 1:
        raise ValueError(f"passes is {block.passes}; it must be at least 1")
    check_rows(
        context,
        rows // block.updates,
        block.micro_batches,
        f"prompts {block.prompts} x group_size {block.group_size} / updates {block.updates}",
    )
    every, keep = block.reference.every, block.reference.keep
    if every < 0 or not 0 <= keep < 1:
        raise ValueError(
            f"reference.every {every}, reference.keep {keep}: every is a number of steps (0 is "
            "never), keep the share kept, in [0, 1)"
        )


def _check_selection(functions: Functions) -> None:
    asked = selects(functions.policy_loss)
    if asked and functions.selection is None:
        raise ValueError(
            "policy_loss treats selected tokens apart: set selection.name, such as "
            "reasoning_jax.rl.policy_losses.covariances_in_band for clip_cov or "
            "highest_covariances for kl_cov"
        )
    if functions.selection is not None and not asked:
        raise ValueError("selection is set, but policy_loss takes no selected tokens; leave it out")


def _check_coefficients(functions: Functions, block: ConfigDict) -> None:
    for name in ("kl", "entropy"):
        coefficient = block[f"{name}_coef"]
        controller = getattr(functions, f"{name}_controller")
        if not moves(coefficient, controller):
            continue
        try:
            controller(float(coefficient), 0.0)
        except Exception as error:
            raise ValueError(f"{name}_controller cannot be used: {error}") from error


def _check_problems(context: Context, block: ConfigDict) -> None:
    size = context.task.size(block.split)
    if size < block.prompts:
        raise ValueError(f"prompts {block.prompts} exceeds the {size} problems of {block.split!r}")
    # Prompts of a generated task are all of one kind; those of files are not.
    for index in range(min(size, 1000) if context.task.alphabet else size):
        check_context(context, context.task.problem(block.split, index), block.max_tokens)
