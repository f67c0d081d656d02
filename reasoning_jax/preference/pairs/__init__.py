"""Where preference pairs come from, on the host: cut at a step, read from files, encoded."""

from reasoning_jax.preference.pairs.collate import (
    collate_pairs,
    collate_scored,
    collate_singles,
    pack_pairs,
)
from reasoning_jax.preference.pairs.encode import (
    PairIds,
    ResponseIds,
    encode_context,
    encode_pair,
    encode_response,
)
from reasoning_jax.preference.pairs.judgement import first_wrong_step
from reasoning_jax.preference.pairs.outcomes import outcome_pairs
from reasoning_jax.preference.pairs.pair import Pair
from reasoning_jax.preference.pairs.records import read_pairs, write_pairs
from reasoning_jax.preference.pairs.scored import Scored
from reasoning_jax.preference.pairs.scored_records import read_scored, write_scored
from reasoning_jax.preference.pairs.single import Single, unpaired
from reasoning_jax.preference.pairs.single_records import read_singles, write_singles
from reasoning_jax.preference.pairs.step_format import Numbered, Separated, StepFormat
from reasoning_jax.preference.pairs.steps import (
    cut_at_numbered_step,
    cut_at_step,
    first_numbered_step,
    first_step,
    step_pairs,
)
from reasoning_jax.preference.pairs.supercorrect import (
    TemplatedSolution,
    TemplateStep,
    correction_pair,
    parse_template,
)

__all__ = [
    "Numbered",
    "Pair",
    "PairIds",
    "ResponseIds",
    "Scored",
    "Separated",
    "Single",
    "StepFormat",
    "TemplateStep",
    "TemplatedSolution",
    "collate_pairs",
    "collate_scored",
    "collate_singles",
    "correction_pair",
    "cut_at_numbered_step",
    "cut_at_step",
    "encode_context",
    "encode_pair",
    "encode_response",
    "first_numbered_step",
    "first_step",
    "first_wrong_step",
    "outcome_pairs",
    "pack_pairs",
    "parse_template",
    "read_pairs",
    "read_scored",
    "read_singles",
    "step_pairs",
    "unpaired",
    "write_pairs",
    "write_scored",
    "write_singles",
]
