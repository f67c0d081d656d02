"""Short stories answered by one number.

SVAMP (arXiv 2103.07191), the four MAWPS parts (Koncel-Kedziorski et al. 2016) and GSM-Hard
(arXiv 2211.10435) as PAL has them, CMATH (arXiv 2306.16636).
"""

from collections.abc import Callable, Mapping
from typing import Any

from reasoning_jax.tasks.answers import BOXED_CHINESE, answer_item, answer_set, fields, qwen_files
from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.records import numeral, text
from reasoning_jax.verify import parse_number

# Golds that are no whole numbers are floats cut somewhere: 0.3333333333 stands for 1/3.
RELATIVE_TOLERANCE = 1e-4


def number_item(question: str, answer: str, **info: Any) -> Item:
    """An item with a numeric gold: exact where it is whole, within a relative 1e-4 otherwise."""
    gold = parse_number(answer)
    if gold is None:
        raise ValueError(f"expected a number as the answer, got {answer!r}")
    if gold.value.denominator == 1:
        return answer_item(question, answer, **info)
    tolerance = RELATIVE_TOLERANCE * abs(float(gold.value))
    return answer_item(question, answer, rule="near_number", tolerance=tolerance, **info)


def _input_target(record: Mapping[str, Any]) -> Item:
    return number_item(text(record, "input"), numeral(record, "target"))


def _parse_svamp(record: Mapping[str, Any]) -> Item:
    if "input" in record:
        return _input_target(record)
    body = text(record, "Body")
    stop = "" if body.endswith((".", "?", "!", ",")) else "."
    columns = {name: record[name] for name in ("ID", "Type", "Equation") if name in record}
    return number_item(
        f"{body}{stop} {text(record, 'Question')}", numeral(record, "Answer"), **columns
    )


def _mawps(name: str) -> Callable:
    part = name.removeprefix("mawps_")
    names = (f"mawps{part}.jsonl", f"{part}.jsonl", f"mawps/{part}.jsonl")
    return answer_set(name, {"test": names}, _input_target)


svamp = answer_set("svamp", qwen_files("svamp", "SVAMP.json"), _parse_svamp)
mawps = answer_set("mawps", {"test": ("test.jsonl", "mawps/test.jsonl")}, _input_target)
mawps_addsub = _mawps("mawps_addsub")
mawps_multiarith = _mawps("mawps_multiarith")
mawps_singleeq = _mawps("mawps_singleeq")
mawps_singleop = _mawps("mawps_singleop")
gsm_hard = answer_set(
    "gsm_hard", {"test": ("gsmhardv2.jsonl", "gsmhard.jsonl", "test.jsonl")}, _input_target
)
cmath = answer_set(
    "cmath",
    qwen_files("cmath"),
    fields(("question",), ("answer",), (), ("grade", "reasoning_step", "num_digits")),
    prompt=BOXED_CHINESE,
)
