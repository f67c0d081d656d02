"""The tiers: string, exact rational, typed, and, in a process that can be killed, symbolic."""

from reasoning_jax.types import Check, Verdict
from reasoning_jax.verify.answers.choice import compare_choices
from reasoning_jax.verify.answers.exact import ExactValues
from reasoning_jax.verify.answers.match import Comparator, same
from reasoning_jax.verify.answers.numerals import decimal_comma
from reasoning_jax.verify.answers.precision import equal_numbers
from reasoning_jax.verify.answers.read import MAX_LENGTH, read
from reasoning_jax.verify.answers.spell import spell_form
from reasoning_jax.verify.answers.spelling import compact, spell_notation
from reasoning_jax.verify.equality import compare, parse_number


def judge(answer: str | None, gold: str, tolerance: float = 0.0) -> Verdict | Check:
    r"""Judges a bare answer against a bare gold answer, whose form fixes the type.

    Reasons of a right answer name the tier: "exact" (same string), "rational" (same number),
    "rounded" (to the digits stated, or within the tolerance), "choice", "typed" (structure and
    numbers), "symbolic" or, for a gold that fits no form, "spelled" (same but for notation); of a
    wrong one: "different", "no_answer", "unparsed_answer"; of one that cannot be judged:
    "empty_gold", "unparsed_gold".

    Args:
      tolerance: largest absolute difference of numbers that still counts as equal.

    Returns:
      A Verdict when no algebra is needed; else the Check that decides, for a worker process.
    """
    verdict = compare(answer, gold)
    if verdict.correct or verdict.reason in ("empty_gold", "no_answer"):
        return verdict
    if verdict.reason == "different":
        rounded = "." in answer + gold or tolerance
        rounded = rounded and equal_numbers(spell_notation(gold), spell_notation(answer), tolerance)
        return Verdict(True, "rounded", verdict.extracted) if rounded else verdict
    chosen = compare_choices(gold, answer)
    if chosen is not None:
        return Verdict(chosen, "choice" if chosen else "different", verdict.extracted)
    verdict = _typed(answer, gold, ExactValues(tolerance), "typed")
    if verdict is not None:
        return verdict
    return Check(judge_symbolically, (answer, gold, tolerance))


def judge_symbolically(answer: str, gold: str, tolerance: float = 0.0) -> Verdict:
    """Judges with algebra; may take long, and is to be run in a worker process.

    The reasons are those of `judge`.
    """
    # SymPy is loaded where it is used: the cheap tiers are imported by every program.
    from reasoning_jax.verify.answers.symbolic import GoldError, SymbolicValues

    try:
        verdict = _typed(answer, gold, SymbolicValues(tolerance), "symbolic")
    except GoldError:
        if _same_spelling(answer, gold):
            return Verdict(True, "spelled", compact(spell_notation(answer)))
        return Verdict(None, "unparsed_gold", answer)
    if verdict is None:
        raise AssertionError(f"the symbolic tier left {answer!r} against {gold!r} open")
    return verdict


def prepare() -> None:
    """Loads and warms the symbolic tier, before a worker's first check is timed."""
    from reasoning_jax.verify.answers.expressions import warm

    warm()


def _typed(answer: str, gold: str, values: Comparator, reason: str) -> Verdict | None:
    try:
        gold_form = read(gold)
    except ValueError:
        if _same_spelling(answer, gold):
            return Verdict(True, "spelled", compact(spell_notation(answer)))
        return Verdict(None, "unparsed_gold", answer)
    try:
        answer_form = read(answer)
    except ValueError:
        return Verdict(False, "unparsed_answer", answer)
    correct = same(gold_form, answer_form, values)
    if not correct and _same_decimal_comma(answer, gold):
        return Verdict(True, "rational", spell_form(answer_form))
    if correct is None:
        return None
    return Verdict(correct, reason if correct else "different", spell_form(answer_form))


def _same_spelling(answer: str, gold: str) -> bool:
    """For golds that fit no form: the same text but for blanks, delimiters and variants."""
    if max(len(answer), len(gold)) > MAX_LENGTH:
        return False
    return compact(spell_notation(answer)) == compact(spell_notation(gold))


def _same_decimal_comma(answer: str, gold: str) -> bool:
    """A comma may be the decimal point where the other side is a decimal of the same value."""
    for one, other in ((answer, gold), (gold, answer)):
        number = decimal_comma(one.strip(" $"))
        if number is not None and "." in other:
            plain = parse_number(other)
            if plain is not None and plain.value == number:
                return True
    return False
