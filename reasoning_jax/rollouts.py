"""A batch of graded completions as arrays, what every RL function reads.

Shape letters: B rows (completions), T tokens of a row (prompt and response, right-padded).
"""

import jax
from flax import struct


@struct.dataclass
class Rollouts:
    """A batch of graded completions, as arrays; every RL function reads this and nothing else.

    A row is a prompt followed at once by its response, right-padded to T. Masks come from
    lengths, never from token values; padding may hold anything, nan included.

    Attributes:
      tokens: [B, T] int32, prompt then response then padding.
      lengths: [B] int32, prompt and response together.
      mask: [B, T] bool, True on tokens the policy sampled (end of sequence included).
      row_mask: [B] bool, False on rows that leave groups, statistics and loss
        (padding rows, filtered rows, answers that cannot be judged).
      group_ids: [B] int32 in [0, B), equal for samples of one prompt.
      rewards: [B] float32, outcome after shaping.
      correct: [B] int8, 1 right, 0 wrong, -1 cannot be judged.
      finished: [B] bool, False where generation was cut at the length limit.
      sampler_logprobs: [B, T] float32 as reported while sampling.
      old_logprobs: [B, T] float32 recomputed by the trainer before the first update,
        or None when one update per batch makes them equal the current ones.
      ref_logprobs: [B, T] float32 under the reference policy, or None.
      values: [B, T] float32 value estimates, or None.
      step_ends: [B, S] int32 position in T of each step's last token, or None.
      step_mask: [B, S] bool, or None.
      step_rewards: [B, S] float32, or None.
      token_rewards: [B, T] float32 dense process reward, or None.
      step_labels: [B, S] bool, the step is right, or None.
      step_scores: [B, S] float32 rewards of the steps as a trained judge has them, or None.
      greedy_rewards: [B] float32 reward of the greedy answer to the row's prompt, or None.
      model_rewards: [B] float32 score of the row by a reward model, or None.
      tool_calls: [B] int32 calls of tools, or None.
      fewest_calls: [B] int32 calls of the right answer with the fewest of them that there has been
        to the row's prompt, in this batch or before; -1 where there is none, or None.
      extracted: [B] bool, an answer could be read, or None.
      clusters: [B] int32, equal for rows of a group whose answers are the same, or None.
    """

    tokens: jax.Array
    lengths: jax.Array
    mask: jax.Array
    row_mask: jax.Array
    group_ids: jax.Array
    rewards: jax.Array
    correct: jax.Array
    finished: jax.Array
    sampler_logprobs: jax.Array
    old_logprobs: jax.Array | None = None
    ref_logprobs: jax.Array | None = None
    values: jax.Array | None = None
    step_ends: jax.Array | None = None
    step_mask: jax.Array | None = None
    step_rewards: jax.Array | None = None
    token_rewards: jax.Array | None = None
    step_labels: jax.Array | None = None
    step_scores: jax.Array | None = None
    greedy_rewards: jax.Array | None = None
    model_rewards: jax.Array | None = None
    tool_calls: jax.Array | None = None
    fewest_calls: jax.Array | None = None
    extracted: jax.Array | None = None
    clusters: jax.Array | None = None

    @property
    def loss_mask(self) -> jax.Array:
        """[B, T] bool: sampled tokens of rows that take part."""
        return self.mask & self.row_mask[:, None]
