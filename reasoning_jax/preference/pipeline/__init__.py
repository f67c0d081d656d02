"""Step-DPO's pairs in four steps (arXiv 2406.18629): collect, locate, rectify, assemble.

Each step is a function from traces to traces; ``run_lines`` makes a resumable command of one.
SuperCorrect's inspector of corrections (arXiv 2410.09008) stands beside them.
"""

from reasoning_jax.preference.pipeline.assemble import assemble, checked, rectified, whole_pairs
from reasoning_jax.preference.pipeline.collect import collect
from reasoning_jax.preference.pipeline.grading import Grade, grader
from reasoning_jax.preference.pipeline.inspection import inspect_corrections
from reasoning_jax.preference.pipeline.journal import read_traces, run_lines
from reasoning_jax.preference.pipeline.judges import ExactJudge, Judge, MajorityJudge, ScoreJudge
from reasoning_jax.preference.pipeline.locate import locate
from reasoning_jax.preference.pipeline.rectify import rectify
from reasoning_jax.preference.pipeline.trace import Correction, Mistake, Trace, problem_of

__all__ = [
    "Correction",
    "ExactJudge",
    "Grade",
    "Judge",
    "MajorityJudge",
    "Mistake",
    "ScoreJudge",
    "Trace",
    "assemble",
    "checked",
    "collect",
    "grader",
    "inspect_corrections",
    "locate",
    "problem_of",
    "read_traces",
    "rectified",
    "rectify",
    "run_lines",
    "whole_pairs",
]
