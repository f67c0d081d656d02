"""What a block must satisfy, checked before any work."""

import jax
import numpy as np
from ml_collections import ConfigDict

from reasoning_jax.functions import function
from reasoning_jax.rewards.steps import step_ends
from reasoning_jax.sampling import SamplingParams
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import build_optimizer, check_context, check_rows
from reasoning_jax.stages.context import Context
from reasoning_jax.stages.headed import check_reward_model, check_start
from reasoning_jax.stages.rl.fields import LEARNT, abstract_rollouts, asked_fields
from reasoning_jax.stages.rl.functions import Functions, build_functions, moves, selects
from reasoning_jax.stages.rl.learners import LEARNERS, bound_targets, check_kept
from reasoning_jax.stages.rl.phases import build_phases
from reasoning_jax.stages.rl.replay import dumps, read_rollouts
from reasoning_jax.types import Completion, Verdict


def validate(context: Context, block: ConfigDict) -> None:
    """Checks the block and its phases against task, model and mesh; raises ValueError."""
    for number, phase in enumerate(build_phases(block)):
        try:
            _validate_phase(context, phase.block)
        except ValueError as error:
            where = f"phases[{number}]: " if block.phases else ""
            raise ValueError(f"{where}{error}") from error


def _validate_phase(context: Context, block: ConfigDict) -> None:
    if block.group_size < 1:
        raise ValueError(f"group_size {block.group_size}: it must be at least 1")
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
    fields = asked_fields(functions, block)
    if block.group_size == 1 and not teaches_alone(functions, fields):
        raise ValueError(
            "group_size 1: this advantage compares the samples of a prompt, of which it needs at "
            "least 2"
        )
    _check_learners(context, block, fields)
    _check_steps(context, block, functions)
    _check_replay(block)
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
    if block.row_tokens < 0:
        raise ValueError(f"row_tokens {block.row_tokens}: give tokens of a row, or 0")
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


def teaches_alone(functions: Functions, fields: tuple[str, ...]) -> bool:
    """Whether the advantage says anything of prompts with one sample each, right and wrong."""
    random = np.random.default_rng(0)

    def some(x: jax.ShapeDtypeStruct) -> np.ndarray:
        return random.uniform(-1, 0, x.shape).astype(x.dtype)

    rows = 8
    rollouts = jax.tree.map(some, abstract_rollouts(rows, set(fields)))
    right = np.arange(rows) % 2 == 0
    rollouts = rollouts.replace(
        mask=np.ones(rollouts.mask.shape, bool),
        row_mask=np.ones(rows, bool),
        group_ids=np.arange(rows, dtype=np.int32),
        rewards=right.astype(np.float32),
        correct=right.astype(np.int8),
        finished=np.ones(rows, bool),
    )
    for shaper in functions.shapers:
        rollouts = shaper(rollouts)
    return bool(np.any(functions.advantage(rollouts)))


def _check_learners(context: Context, block: ConfigDict, fields: tuple[str, ...]) -> None:
    if block.head_start < 0 or (block.head_start and not set(fields) & set(LEARNT)):
        raise ValueError(
            f"head_start is {block.head_start}, but no function asks for what a model beside the "
            "policy fills; leave it 0"
        )
    there = [name for name, (field, _) in LEARNERS.items() if field in fields]
    check_kept(block.keep, there)
    for name in LEARNERS:
        build_optimizer(block[name].optimizer)
    for name in there:
        if block[name].model:
            check_start(context, block[name].model)
            if name != "implicit":
                check_reward_model(context, block[name].model)
    if "values" in fields:
        shapes = abstract_rollouts(block.prompts * block.group_size, set(fields))
        try:
            found = jax.eval_shape(bound_targets(block), shapes)
            weights = function(block.critic.aggregate, "critic.aggregate")
            loss = function(block.critic.loss, "critic.loss")
            tokens = shapes.values, shapes.values, shapes.values, shapes.mask
            shaped = [found, jax.eval_shape(weights, shapes.mask), jax.eval_shape(loss, *tokens)]
        except Exception as error:
            raise ValueError(f"critic cannot be used here: {error}") from error
        if any(getattr(x, "shape", None) != shapes.mask.shape for x in shaped):
            raise ValueError(f"critic: targets, weights and losses are {shaped}, not all [B, T]")


def _check_steps(context: Context, block: ConfigDict, functions: Functions) -> None:
    if block.refill.most < 1 or block.refill.waiting < 0:
        raise ValueError(
            f"refill.most is {block.refill.most}, refill.waiting {block.refill.waiting}; they must "
            "be at least 1 and 0"
        )
    if functions.steps_of is None:
        return
    problem = context.task.problem(block.split, 0)
    text = problem.solution or problem.answer
    ids = tuple(context.tokenizer.encode(text))
    completion = Completion(text, ids, (0.0,) * len(ids), "stop")
    try:
        steps = functions.steps_of(context.task, problem, completion, Verdict(True, "check"))
        step_ends(context.tokenizer, completion, [step for step, _ in steps])
    except Exception as error:
        raise ValueError(f"steps_of cannot label {text!r} of {problem.id}: {error}") from error


def _check_replay(block: ConfigDict) -> None:
    if block.reuse < 1 or block.dump_every < 0:
        raise ValueError(f"reuse {block.reuse}, dump_every {block.dump_every}: they count steps")
    if not block.replay:
        return
    files = dumps(block.replay)
    if not files:
        raise ValueError(f"replay: {block.replay} holds no rollouts <step>.npz; dump_every writes")
    rows = len(read_rollouts(files[0]).rewards)
    if rows != block.prompts * block.group_size:
        raise ValueError(
            f"replay: {files[0]} has {rows} rows, not prompts {block.prompts} x group_size "
            f"{block.group_size}"
        )


def _check_problems(context: Context, block: ConfigDict) -> None:
    size = context.task.size(block.split)
    if not 0 <= block.problems <= size:
        raise ValueError(f"problems {block.problems}: {block.split!r} has {size} (0 is all)")
    size = block.problems or size
    if size < block.prompts:
        raise ValueError(f"prompts {block.prompts} exceeds the {size} problems of {block.split!r}")
    # Prompts of a generated task are all of one kind; those of files are not.
    for index in range(min(size, 1000) if context.task.alphabet else size):
        check_context(context, context.task.problem(block.split, index), block.max_tokens)
