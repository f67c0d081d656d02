"""Linear heads over hidden states: values of tokens, rewards of rows, correctness of steps.

A head is a plain dict: ``kernel`` [M, C] and, where it has one, ``bias`` [C]. C = 1 is a
scalar; C > 1 gives the logits of C classes. Scores are float32.
"""

import jax
import jax.numpy as jnp

# Logical axes: a head is small, every device holds it whole.
HEAD_AXES: dict[str, tuple[str | None, ...]] = {"kernel": (None, None), "bias": (None,)}


def init_head(key: jax.Array, d_model: int, n_outputs: int = 1) -> dict[str, jax.Array]:
    """A head without bias, kernel normal with variance 1 / (d_model + 1).

    Scores of normalised hidden states start near unit variance: the reward model of Stiennon
    et al. (arXiv:2009.01325).
    """
    return {"kernel": (d_model + 1) ** -0.5 * jax.random.normal(key, (d_model, n_outputs))}


def zero_head(d_model: int, n_outputs: int = 1) -> dict[str, jax.Array]:
    """A head with bias that says 0 until it is trained: a value that adds no noise at first."""
    return {"kernel": jnp.zeros((d_model, n_outputs)), "bias": jnp.zeros(n_outputs)}


def head_logits(head: dict[str, jax.Array], hidden: jax.Array) -> jax.Array:
    """hidden [..., M] -> [..., C] float32."""
    scores = hidden.astype(jnp.float32) @ head["kernel"].astype(jnp.float32)
    return scores + head["bias"].astype(jnp.float32) if "bias" in head else scores


def token_values(head: dict[str, jax.Array], hidden_BxTxM: jax.Array) -> jax.Array:
    """Value [B, T] of the state after each token.

    Raises:
      ValueError: the head has more than one output.
    """
    return _scalar(head, head_logits(head, hidden_BxTxM))


def prior_values(head: dict[str, jax.Array], hidden_BxTxM: jax.Array) -> jax.Array:
    """Value [B, T] of the state before each token, 0 at the first: the baseline of its choice.

    Raises:
      ValueError: the head has more than one output.
    """
    return jnp.pad(token_values(head, hidden_BxTxM), ((0, 0), (1, 0)))[:, :-1]


def row_logits(
    head: dict[str, jax.Array], hidden_BxTxM: jax.Array, lengths_B: jax.Array
) -> jax.Array:
    """[B, C] at the last token of each row; a row of length 0 reads its first column."""
    last = jnp.maximum(lengths_B - 1, 0)
    return head_logits(head, _at(hidden_BxTxM, last[:, None])[:, 0])


def row_rewards(
    head: dict[str, jax.Array], hidden_BxTxM: jax.Array, lengths_B: jax.Array
) -> jax.Array:
    """Reward [B] of each row, from its last token.

    Raises:
      ValueError: the head has more than one output.
    """
    return _scalar(head, row_logits(head, hidden_BxTxM, lengths_B))


def step_logits(
    head: dict[str, jax.Array],
    hidden_BxTxM: jax.Array,
    step_ends_BxS: jax.Array,
    step_mask_BxS: jax.Array,
) -> jax.Array:
    """[B, S, C] at the last token of each step, 0 where there is no step.

    What ``step_ends_BxS`` holds outside the mask does not matter.
    """
    ends = jnp.where(step_mask_BxS, step_ends_BxS, 0)
    mask = step_mask_BxS[:, :, None]
    hidden = jnp.where(mask, _at(hidden_BxTxM, ends), 0)
    return jnp.where(mask, head_logits(head, hidden), 0)


def step_scores(
    head: dict[str, jax.Array],
    hidden_BxTxM: jax.Array,
    step_ends_BxS: jax.Array,
    step_mask_BxS: jax.Array,
) -> jax.Array:
    """Log-odds [B, S] that a step is right, 0 where there is none; sigmoid gives P(right).

    A scalar head says it directly, one of two classes (wrong, right) by their difference.

    Raises:
      ValueError: the head has more than two outputs.
    """
    scores = step_logits(head, hidden_BxTxM, step_ends_BxS, step_mask_BxS)
    n_outputs = scores.shape[-1]
    if n_outputs > 2:
        raise ValueError(
            f"a step head has 1 output, or 2 for the classes wrong and right, not {n_outputs}; "
            "read its classes with step_logits"
        )
    return scores[..., 0] if n_outputs == 1 else scores[..., 1] - scores[..., 0]


def _at(hidden_BxTxM: jax.Array, positions_BxS: jax.Array) -> jax.Array:
    """[B, S, M]."""
    return jnp.take_along_axis(hidden_BxTxM, positions_BxS[:, :, None], axis=1)


def _scalar(head: dict[str, jax.Array], scores: jax.Array) -> jax.Array:
    n_outputs = head["kernel"].shape[1]
    if n_outputs != 1:
        raise ValueError(
            f"the head has {n_outputs} outputs, a scalar one has 1; "
            "read classes with row_logits or step_logits"
        )
    return scores[..., 0]
