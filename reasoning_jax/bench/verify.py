"""Speed and agreement of answer grading, beside math-verify on the same pairs in one process.

Pairs are drawn here (numerals) and, where the folder of worked cases stands
(``REASONING_JAX_VERIFIER_CASES``), read from it: whole responses and free-form answers. Both
graders run the same blocks of pairs in turn, all of their work in this process and no time limit
set, so that CPU seconds compare.
"""

import dataclasses
import gc
import importlib.metadata
import json
import logging
import os
import pathlib
import random
import time
from collections.abc import Callable, Sequence

from reasoning_jax.bench.rows import OURS
from reasoning_jax.bench.settings import Settings
from reasoning_jax.types import Check
from reasoning_jax.verify import EVALUATION, GOLD, extract, find, judge
from reasoning_jax.verify.answers.expressions import warm

VARIABLE = "REASONING_JAX_VERIFIER_CASES"
RESPONSES = {
    "grade-school responses": "gsm8k_model_solutions",
    "MATH responses": "qwen_maj_example",
}
FREE_FORM = "tinyv_hardverify"
BLOCK = 100  # pairs of one grader in a row
PAIRS = 2_000  # most pairs of a set


@dataclasses.dataclass(frozen=True)
class Pair:
    """A prediction, the gold answer, whether they are equal; `bare` when it is no response."""

    prediction: str
    gold: str
    equal: bool
    bare: bool


def run(settings: Settings) -> tuple[list[dict], dict]:
    """One row for each set of pairs and grader; the settings name no model that is needed.

    Returns:
      Rows with ``pairs/CPU-s``, ``pairs``, ``agreement`` (share of labels met), ``cpu_mean_ms``,
      ``cpu_p50_ms``, ``cpu_p99_ms`` and, on those of math-verify, ``times``, how many times its
      throughput ours is; and what took part.

    Raises:
      RuntimeError: when math-verify is not installed.
    """
    graders = {OURS: _ours, "math-verify": _math_verify()}
    warm()
    del settings
    rows = []
    for name, pairs in _sets().items():
        seconds, right = _measure(pairs, graders)
        for grader, times in seconds.items():
            times.sort()
            rows.append(
                {
                    "case": name,
                    "who": grader,
                    "pairs/CPU-s": len(pairs) / sum(times),
                    "pairs": len(pairs),
                    "agreement": right[grader] / len(pairs),
                    "cpu_mean_ms": 1e3 * sum(times) / len(pairs),
                    "cpu_p50_ms": 1e3 * times[len(pairs) // 2],
                    "cpu_p99_ms": 1e3 * times[len(pairs) * 99 // 100],
                    **({} if grader == OURS else {"times": sum(times) / sum(seconds[OURS])}),
                }
            )
    return rows, {"versions": {"math-verify": importlib.metadata.version("math-verify")}}


def numeric_pairs(count: int, seed: int) -> list[Pair]:
    """Numerals in two spellings each: integers with thousands marks, decimals, fractions, powers.

    Half of the predictions are wrong by one in a digit that counts.
    """
    draw = random.Random(seed)
    pairs = []
    for index in range(count):
        equal = bool(draw.getrandbits(1))
        number, other = draw.randint(2, 9_999_999), draw.randint(2, 97)
        wrong = number + (0 if equal else 1)
        match index % 4:
            case 0:
                pair = Pair(f"{wrong:,}", str(number), equal, True)
            case 1:
                pair = Pair(rf"\boxed{{{wrong / 100:.2f}}}", f"${number / 100:.2f}$", equal, False)
            case 2:
                pair = Pair(
                    rf"\frac{{{3 * wrong}}}{{{3 * other}}}", f"{number}/{other}", equal, True
                )
            case _:
                pair = Pair(f"${wrong}.0$", str(number), equal, True)
        pairs.append(pair)
    return pairs


def _sets() -> dict[str, list[Pair]]:
    sets = {"numeric answers": numeric_pairs(PAIRS, seed=0)}
    folder = os.environ.get(VARIABLE)
    if not folder:
        return sets
    for name, file in (*RESPONSES.items(), ("free-form answers", FREE_FORM)):
        path = pathlib.Path(folder) / f"{file}.jsonl"
        if not path.is_file():
            raise FileNotFoundError(f"{VARIABLE}={folder} holds no {path.name}")
        rows = map(json.loads, path.read_text().splitlines())
        bare = file == FREE_FORM
        pairs = [Pair(row["pred"], row["gold"], row["expected"], bare) for row in rows]
        sets[name] = pairs[:PAIRS]
    return sets


def _measure(
    pairs: Sequence[Pair], graders: dict[str, Callable[[Pair], bool]]
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """CPU seconds of every pair and the number of labels met, by grader."""
    seconds: dict[str, list[float]] = {name: [] for name in graders}
    right = dict.fromkeys(graders, 0)
    for start in range(0, len(pairs), BLOCK):
        for name, grade in graders.items():
            gc.collect()
            for pair in pairs[start : start + BLOCK]:
                begin = time.process_time()
                verdict = grade(pair)
                seconds[name].append(time.process_time() - begin)
                right[name] += verdict == pair.equal
    return seconds, right


def _ours(pair: Pair) -> bool:
    found = find(pair.prediction, EVALUATION)
    verdict = judge(found.text if found else None, extract(pair.gold, GOLD) or "")
    if isinstance(verdict, Check):
        verdict = verdict.function(*verdict.args)
    return verdict.correct is True


def _math_verify() -> Callable[[Pair], bool]:
    """Math-verify as its authors recommend: the box first, bare golds and answers as LaTeX."""
    try:
        from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
    except ImportError as error:
        raise RuntimeError(
            "the suite compares with math-verify: pip install math-verify"
        ) from error
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]

    def grade(pair: Pair) -> bool:
        gold = pair.gold if "$" in pair.gold or "boxed" in pair.gold else f"${pair.gold}$"
        prediction = rf"\boxed{{{pair.prediction}}}" if pair.bare else pair.prediction
        return verify(
            parse(gold, targets, parsing_timeout=None),
            parse(prediction, targets, parsing_timeout=None),
            timeout_seconds=None,
        )

    return grade
