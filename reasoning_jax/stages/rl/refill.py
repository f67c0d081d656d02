"""Sampling on until enough groups teach something: DAPO (arXiv 2503.14476), PRIME (2502.01456)."""

from collections.abc import Callable

import numpy as np

from reasoning_jax.stages.rl.sampled import Sampled


def refilled(
    first: Sampled,
    more: Callable[[int], Sampled],
    keep: Callable[[Sampled], np.ndarray],
    *,
    most: int,
    step: int,
) -> tuple[Sampled, Sampled, list[int], dict[str, float]]:
    """As many kept groups as ``first`` has, or what ``most`` batches of problems give.

    Places that no kept group takes are filled with others that are left out of the loss, so that
    shapes stay; a warning says how many.

    Args:
      more: turn, from 1 on -> another batch of problems.
      keep: sampled -> [B] bool; a group is kept where one of its rows is.
      step: for the messages, from 0 on.

    Returns:
      All that was sampled, what to learn from, places in the first of kept groups for which there
      was no room, and metrics.

    Raises:
      RuntimeError: no group was kept.
    """
    wanted, turns = len(first.problems), 1
    every, kept = first, _kept(first, keep)
    while len(kept) < wanted and turns < most:
        batch = more(turns)
        kept += [len(every.problems) + group for group in _kept(batch, keep)]
        every, turns = every + batch, turns + 1
    if not kept:
        raise RuntimeError(
            f"step {step + 1}: refill.keep keeps none of {len(every.problems)} groups in {turns} "
            "batches; the problems are too easy or too hard for this policy: change their "
            "difficulty or the filter, or raise group_size or refill.most"
        )
    if len(kept) < wanted:
        print(
            f"warning: refill.keep keeps only {len(kept)} of {len(every.problems)} groups at step "
            f"{step + 1}; {wanted - len(kept)} of {wanted} places stay empty",
            flush=True,
        )
    chosen = every.pick(kept[:wanted])
    spare = [i for i in range(len(every.problems)) if i not in set(kept)][: wanted - len(kept)]
    if spare and len(kept) < wanted:
        chosen += every.pick(spare).left_out()
    metrics = {
        "refill/batches": turns,
        "refill/kept": len(kept) / len(every.problems),
        "refill/empty": max(wanted - len(kept), 0) / wanted,
    }
    return every, chosen, kept[wanted:], metrics


def _kept(sampled: Sampled, keep: Callable[[Sampled], np.ndarray]) -> list[int]:
    rows = np.asarray(keep(sampled))
    groups = rows.reshape(len(sampled.problems), -1)
    return np.flatnonzero(groups.any(axis=1)).tolist()
