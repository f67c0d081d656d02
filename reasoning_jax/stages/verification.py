"""How a run verifies answers: the config's ``verify`` block, and what is built of it."""

from ml_collections import ConfigDict

from reasoning_jax.verify.pool import Pool
from reasoning_jax.verify.verifier import Verifier


def verify_block() -> ConfigDict:
    """The block at its defaults; all stages of a run share what it describes."""
    block = ConfigDict()
    block.processes = 0  # most worker processes on each host; 0 is one per core
    # Failed checks (time-out, memory, crash, exception) are left out of groups and loss; a run
    # of which more than this fraction of the last `window` verdicts fails is stopped.
    block.max_failures = 0.1
    block.window = 1000  # verdicts
    block.least = 200  # verdicts to see before stopping
    return block


def build_verifier(block: ConfigDict) -> Verifier:
    """What the block describes, with no process started yet; ValueError when it cannot be."""
    try:
        pool = Pool(block.processes)
        return Verifier(pool, block.max_failures, block.window, block.least)
    except ValueError as error:
        raise ValueError(f"config.verify: {error}") from error
