r"""Words in answers: units behind a value, conditions behind a formula, answers that are text."""

import re

from reasoning_jax.verify.answers.forms import Scalar

_UNIT_NAMES = {
    "cm": ("cm", "centimeter", "centimetre"), "mm": ("mm", "millimeter", "millimetre"),
    "km": ("km", "kilometer", "kilometre"), "m": ("m", "meter", "metre"),
    "in": ("in", "inch", "inches"), "ft": ("ft", "foot", "feet"), "yd": ("yd", "yard"),
    "mi": ("mi", "mile"), "g": ("g", "gram"), "kg": ("kg", "kilogram"), "mg": ("mg", "milligram"),
    "lb": ("lb", "pound"), "oz": ("oz", "ounce"), "l": ("l", "liter", "litre"),
    "ml": ("ml", "milliliter", "millilitre"), "s": ("s", "sec", "second"),
    "min": ("min", "minute"), "h": ("h", "hr", "hour"), "d": ("day",), "wk": ("week",),
    "y": ("yr", "year"), "degree": ("degree", "deg"), "radian": ("radian", "rad"),
    "dollar": ("dollar", "usd"), "cent": ("cent",), "mph": ("mph",), "yuan": ("yuan",),
    "n": ("n", "newton"), "j": ("j", "joule"), "w": ("w", "watt"),
}  # fmt: skip
_UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names}
_UNITS |= {f"{name}s": unit for name, unit in _UNITS.items() if len(name) > 2}
_ABBREVIATIONS = "|".join(sorted((name for name in _UNITS if len(name) > 1), key=len, reverse=True))

_POWER = r"(?:\s*\^\s*\{?\s*[0-9]\s*\}?)?"
_TEXT_UNIT = re.compile(
    rf"(?<=[^\s])\s*((?:\\text\{{[^{{}}]*\}}{_POWER}[\s/.]*)+(?:(?<=/)\s*[a-z]{{1,3}}{_POWER})?)$"
)
_PLAIN_UNIT = re.compile(
    rf"(?<=[0-9)}}])\s*((?:{_ABBREVIATIONS}){_POWER}(?:\s*/\s*[a-z]+{_POWER})?)$", re.IGNORECASE
)
_COUNTED = re.compile(
    r"([-+]?(?:[0-9][0-9,]*(?:\.[0-9]+)?|\\frac\{[0-9]+\}\{[0-9]+\}|[0-9]+/[0-9]+))"
    r"\s+([A-Za-z][a-z]+(?: [A-Za-z]+){0,3})"
)
_ORDINAL = re.compile(
    r"([0-9]+)\s*\^?\s*\{?\s*(?:\\text\s*\{\s*)?(?:st|nd|rd|th)\s*\}?\s*\}?(?: [A-Za-z]+)?"
)
_DEGREE = re.compile(r"\s*\\degree\s*(?:(?:\\text\s*\{\s*)?([CF])\s*\}?)?\s*$")
# In the argument of one, a degree is a number and no unit: the tangent of 45 degrees is 1.
_ANGLE_FUNCTION = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)")
_NEGATIONS = frozenset(("not", "no", "never", "except", "wrong", "nor"))

_CONDITION = re.compile(
    r"(?<![,\s(])[,\s(]*+(?:\\text\s*\{\s*,?\s*)?"
    r"\b(?:for (?:all|every|any|each|some)|where|when|such that|with)\b.*$"
    r"|(?<![,\s(])[,\s(]++\\text\s*\{\s*,?\s*(?:for|where|when|if|with|such that)\b.*$"
    r"|,\s*\\forall.*$"
    r"|(?<![,\s])[,\s]*+\(?\s*(?<![A-Za-z])[A-Za-z](?:\s*,\s*[A-Za-z])*\s*\\in\s*\\?(?:mathbb|text|mathbf)?"
    r"\s*\{?\s*[ZN]\s*\}?\s*(?:\^\s*\{?[+*]\}?|_\s*\{?[^{}]*\}?)?\s*\)?$"
)
_LEADING_TEXT = re.compile(r"^\\text\{[^{}]*\}\s*(?=\S)")
_TEXT = re.compile(r"\\text\{([^{}]*)\}")
_LETTER_RUN = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+(?![A-Za-z])")
_COMMAND = re.compile(r"\\[A-Za-z]+(?:\{[A-Z]\})?|_\{?[A-Za-z0-9]+\}?")
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-zA-Z]*\}")
_NOT_WORD = re.compile(r"[^\w%]+")
ALL_REALS = frozenset(("all real numbers", "all reals", "all real values", "real numbers"))
INFINITE = frozenset(("infinitely many", "infinite", "infinity", "infinitely many solutions"))
_ARTICLES = frozenset(("the", "a", "an", "only", "is", "are"))


def drop_condition(text: str) -> str:
    r"""Without a trailing "for all ...", "where ..." or ``, k \\in \\mathbb{Z}``."""
    head = _CONDITION.sub("", text).rstrip(" ,;:")
    return head or text


def split_unit(text: str) -> Scalar:
    r"""Parts a value from the unit behind it: ``15\\text{ cm}^2``, ``90 degrees``, ``12th``."""
    text = text.strip()
    degrees = _DEGREE.search(text)
    if degrees and text.count(r"\degree") == 1 and not _ANGLE_FUNCTION.search(text):
        return Scalar(text[: degrees.start()], "degree" + (degrees[1] or ""))
    if ordinal := _ORDINAL.fullmatch(text):
        return Scalar(ordinal[1], "ordinal")
    if unit := _TEXT_UNIT.search(text) or _PLAIN_UNIT.search(text):
        if not _denies(unit[1]):
            return Scalar(text[: unit.start()].strip(), _unit_name(unit[1]))
    elif (counted := _COUNTED.fullmatch(text)) and not _denies(counted[2]):
        return Scalar(counted[1], _unit_name(counted[2]))
    return Scalar(text)


def drop_leading_text(text: str) -> str:
    r"""Without words before a formula: ``\\text{only }x=0``. Words that deny it stay."""
    match = _LEADING_TEXT.match(text)
    return text[match.end() :] if match and not _denies(match[0]) else text


def known_unit(unit: str) -> bool:
    """Whether two different names of such units are different units for certain."""
    return unit in _UNIT_NAMES


def is_words(text: str) -> bool:
    """Whether a text is words and no formula: a run of letters too long for a product."""
    text = _ENVIRONMENT.sub("", text)
    if r"\text" in text and not re.search(r"[0-9=+<>^]|\\frac|\\sqrt", text):
        return True
    runs = _LETTER_RUN.findall(_COMMAND.sub(" ", text))
    longest = max(map(len, runs), default=0)
    return longest >= 4 or (longest == 3 and re.fullmatch(r"[A-Za-z ,.'-]+", text) is not None)


def spell_words(text: str) -> str:
    """Words in lower case, without marks, markup and articles."""
    text = _TEXT.sub(r" \1 ", text).replace("\\", " ")
    words = [word for word in _NOT_WORD.split(text.lower().replace(".", "")) if word]
    return " ".join([word for word in words if word not in _ARTICLES] or words)


def _unit_name(text: str) -> str:
    text = _TEXT.sub(r"\1", text).strip().lower().rstrip(".")
    name = text.split("^")[0].strip()
    power = text[len(name) :].strip(" ^{}") if "^" in text else ""
    return _UNITS.get(name, name) + power


def _denies(text: str) -> bool:
    return not _NEGATIONS.isdisjoint(_NOT_WORD.split(text.lower()))
