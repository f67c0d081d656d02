"""The block of the stage; every key with its unit or reason."""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import evaluation_block, named, optimizer_block


def default_config() -> ConfigDict:
    """The stage's block: GRPO, strictly on-policy."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.rl"
    block.split = "train"
    block.prompts = 32  # problems per step
    block.group_size = 8  # completions per problem
    block.max_tokens = 64  # of a completion
    block.temperature = 1.0  # also divides the logits in the trainer
    # (problem, completion, verdict) -> number, or None to leave the completion out; several with
    # weights: reasoning_jax.verify.rewards.weighted
    block.reward = named("reasoning_jax.verify.rewards.outcome")
    # What follows are functions of Rollouts. Fields that they ask for are filled: reference and
    # old log-probabilities, rewards of greedy answers, calls of tools, clusters of answers.
    block.shapers = ()  # Rollouts -> Rollouts with other rewards, in order (rl.shapers)
    block.filters = ()  # Rollouts -> [B] bool, rows to keep
    block.advantage = named("reasoning_jax.rl.advantages.grpo")  # Rollouts -> [B, T]
    block.policy_loss = named("reasoning_jax.rl.policy_losses.clip")  # -> [B, T]
    # the tokens that clip_cov and kl_cov treat apart, of a whole optimiser batch
    block.selection = named("")
    # weights against a gap of sampler and trainer (reasoning_jax.rl.truncated_importance)
    block.correction = named("reasoning_jax.rl.uncorrected")
    block.aggregate = named("reasoning_jax.rl.token_mean")  # mask -> token weights
    block.kl = named("reasoning_jax.rl.k3")  # in the loss; in the reward it is a shaper
    block.kl_coef = 0.0  # 0 needs no reference policy
    # (coefficient, measured kl) -> next coefficient, once a step (reasoning_jax.rl.controllers)
    block.kl_controller = named("reasoning_jax.rl.controllers.fixed")
    block.entropy_coef = 0.0
    block.entropy_controller = named("reasoning_jax.rl.controllers.fixed")
    # The reference is the policy the stage began with. Every so many steps it becomes
    # keep * itself + (1 - keep) * the policy: keep 0 resets it, every 1 makes it an average.
    block.reference = ConfigDict({"every": 0, "keep": 0.0})  # every 0 is never
    block.balance = 0.0  # multiple of the load-balancing loss a mixture's own config asks for
    block.updates = 1  # optimiser updates per pass; 1 is strictly on-policy
    block.passes = 1  # over a batch of completions
    block.micro_batches = 1
    block.gap_alarm = 0.01  # warn of a larger mean |sampler - trainer| log-probability, nats
    block.steps = 100
    block.optimizer = optimizer_block(peak=3e-4, warmup_steps=5)
    block.log_every = 1
    block.log_samples = 8  # completions per step written for reading
    block.evaluate_every = 20
    block.checkpoint_every = 0  # besides those after every evaluation
    block.evaluation = evaluation_block("validation", problems=256, n=4, max_tokens=64)
    # RL refuses to start from a policy below `start`, since it would go nowhere; it ends when
    # greedy accuracy falls `drop` below its start, or pass@1 `drop` below its best, at
    # `patience` evaluations in a row. It returns the best evaluated policy whose greedy accuracy
    # has not lost `slack` against its start.
    block.guard = ConfigDict({"start": 0.0, "slack": 0.03, "drop": 0.1, "patience": 2})
    return block
