"""The block of the stage; every key with its unit or reason."""

from ml_collections import ConfigDict

from reasoning_jax.stages.blocks import evaluation_block, named, optimizer_block


def default_config() -> ConfigDict:
    """The stage's block: GRPO, strictly on-policy."""
    block = ConfigDict()
    block.stage = "reasoning_jax.stages.rl"
    block.split = "train"
    block.problems = 0  # the first so many of the split; 0 is all
    block.prompts = 32  # problems per step
    # problem -> bool, those to take (reasoning_jax.stages.rl.admit); others are passed over
    block.admit = named("")
    block.group_size = 8  # completions per problem
    block.max_tokens = 64  # of a completion
    block.temperature = 1.0  # also divides the logits in the trainer
    # (problem, completion, verdict) -> number, or None to leave the completion out; several with
    # weights: reasoning_jax.verify.rewards.weighted
    block.reward = named("reasoning_jax.verify.rewards.outcome")
    # (task, problem, completion, verdict) -> its steps with their rewards, for functions that ask
    # for steps: reasoning_jax.rewards.steps.correct_steps
    block.steps_of = named("")
    # Dynamic sampling: batches of problems are sampled until so many groups have a row that the
    # filter `keep` keeps (reasoning_jax.rl.nonzero_variance), `most` batches a step. Of kept groups
    # too many, so many problems wait to be asked anew in the next batch that fills up (PRIME).
    block.refill = ConfigDict({"keep": named(""), "most": 10, "waiting": 0})
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
    # Models that learn beside the policy, each where a function asks for what it fills. They
    # begin as the policy does. For so many steps at first they learn alone.
    block.head_start = 0
    block.critic = critic_block()  # fills values
    block.implicit = implicit_block()  # fills token_rewards
    block.ranking = ranking_block()  # fills model_rewards
    block.judge = judge_block()  # fills step_scores
    block.keep = ()  # those of them to keep at the end, in WORKDIR/kept/<stage>.<name>
    block.balance = 0.0  # multiple of the load-balancing loss a mixture's own config asks for
    block.updates = 1  # optimiser updates per pass; 1 is strictly on-policy
    block.passes = 1  # over a batch of completions
    block.reuse = 1  # steps that a batch of completions serves; beyond 1 they are off-policy
    block.micro_batches = 1
    # Completions share rows of so many tokens in the update, so that padding is not computed;
    # 0 gives each a row of its own.
    block.row_tokens = 0
    block.gap_alarm = 0.01  # warn of a larger mean |sampler - trainer| log-probability, nats
    block.steps = 100
    block.optimizer = optimizer_block(peak=3e-4, warmup_steps=5)
    # A curriculum: phases that set keys of this block in turn, each {"set": {"max_tokens": 8},
    # "steps": 50, "metric": "rl/reward", "at_least": 0.8, "over": 5, "reset": ("reference",)}
    # (reasoning_jax/stages/rl/phases.py); none is one phase without end.
    block.phases = ()
    block.dump_every = 0  # steps between rollouts kept in WORKDIR/rollouts/<stage>; 0 is never
    block.replay = ""  # folder of such rollouts to learn from in place of a sampler
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


def critic_block() -> ConfigDict:
    """A value model: the policy's architecture with a scalar head."""
    block = learner_block(peak=1e-3)  # as often as the policy
    # Keywords that are not given here are those of the advantage.
    block.targets = named("reasoning_jax.rl.advantages.value_targets")  # Rollouts -> [B, T]
    # (values, old values, targets, mask) -> [B, T]
    block.loss = named("reasoning_jax.rl.value_loss", clip=0.2)
    block.aggregate = named("reasoning_jax.rl.token_mean")  # mask -> token weights
    return block


def implicit_block() -> ConfigDict:
    """PRIME's implicit process reward model: a policy that learns from verdicts, once a step."""
    block = learner_block(peak=3e-4)
    block.beta = 0.05  # of its log-ratio in the cross-entropy
    return block


def judge_block() -> ConfigDict:
    """A process reward model, a head at ends of steps: it learns their labels once a step."""
    return learner_block(peak=3e-4)


def ranking_block() -> ConfigDict:
    """Qwen2.5-Math's reward model: right above wrong samples of a group, once a step."""
    return learner_block(peak=3e-4)


def learner_block(peak: float) -> ConfigDict:
    """What all models that learn beside a policy have."""
    block = ConfigDict()
    # What it begins as: a model of an earlier stage of this run (reasoning_jax.stages.reward_model)
    # by its name, or a folder; empty is the policy, with a new head where it has one.
    block.model = ""
    block.until = -1  # steps after which it is left as it is; 0 is as it begins, -1 never
    block.optimizer = optimizer_block(peak=peak, warmup_steps=5)
    return block
