"""The stage from its first evaluation to the policy it returns."""

import functools

from reasoning_jax.evals.run import Evaluation
from reasoning_jax.stages import evaluate
from reasoning_jax.stages.blocks import build_optimizer
from reasoning_jax.stages.guard import judge
from reasoning_jax.stages.loop import Schedule, run_loop
from reasoning_jax.stages.rl.curriculum import Curriculum, fields_of, start_of
from reasoning_jax.stages.rl.learners import build_learners, keep_learners
from reasoning_jax.stages.rl.phases import build_phases
from reasoning_jax.stages.rl.state import RLState, begin
from reasoning_jax.stages.stage import Stage
from reasoning_jax.training.data import index_batches


def run(stage: Stage, params: dict) -> dict:
    """Trains from ``params``; returns the best evaluated policy."""
    context, block = stage.context, stage.config
    problems = block.problems or context.task.size(block.split)
    batches = index_batches(problems, block.prompts, stage.seed(0))
    optimizer = build_optimizer(block.optimizer)

    def measure(state: RLState) -> Evaluation:
        return evaluate.measure(stage, block.evaluation, state.params)

    if stage.resumed is None:
        before = evaluate.measure(stage, block.evaluation, params)
        context.log.log(stage.name, 0, before.metrics)
        progress = _start(stage, before)
    else:
        progress = stage.resumed["progress"]
    phases = build_phases(block)
    fields = fields_of(phases)
    learners = build_learners(context, block, fields, stage.seed(5))
    moving = "ref_logprobs" in fields and any(
        phase.block.reference.every or "reference" in phase.reset for phase in phases
    )
    position = begin(stage, params, optimizer, learners, batches, progress, moving)
    fixed = context.restore(stage.first_number) if "ref_logprobs" in fields and not moving else None
    advance = Curriculum(stage, phases, optimizer, batches, fixed, position.progress)
    position = run_loop(
        stage,
        position,
        Schedule(block.steps, block.log_every, block.evaluate_every, block.checkpoint_every),
        batches,
        advance,
        measure,
        functools.partial(judge, block.guard, stage.first_number),
    )
    keep_learners(stage, learners, position.state.learners)
    best = position.progress["best_number"]
    last = stage.first_number + position.step
    params = position.state.params if best == last else context.restore(best)
    stage.finish(position.step, params, tuple(position.progress["keep"]))
    return params


def _start(stage: Stage, before: Evaluation) -> dict:
    block = stage.config
    value, least = before.metrics["eval/pass@1"], block.guard.start
    if value < least:
        raise RuntimeError(
            f"{stage.name}: pass@1 is {value:.3f} before RL, below guard.start {least}; nothing "
            "would be rewarded: begin a new workdir with more warm-up, or an easier task"
        )
    return {
        "start_greedy": before.metrics["eval/greedy"],
        "best": value,
        "best_number": stage.first_number,
        "falls": 0,
        "keep": [stage.first_number],
        **start_of(build_phases(block)),
    }
