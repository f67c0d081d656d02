r"""Names: what may stand left of an equality as a mere label, such as ``x``, ``f(x)``, ``|AB|``."""

import re

_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|"
    "phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|ell|hbar|zzz"
)
_SCRIPT = r"(?:\s*_\s*(?:\\?[A-Za-z0-9]+|\{[^{}]*\}))?'*"
_SYMBOL = rf"(?:[A-Za-z]|\\(?:{_GREEK})){_SCRIPT}"
_PLAIN = re.compile(rf"\s*{_SYMBOL}\s*")
_CALL = re.compile(rf"\s*({_SYMBOL})\s*\(\s*([^()]*)\s*\)\s*")
# Letters side by side are a product unless they are points (AB) or a word (Area).
_POINTS = r"[A-Z]{2,4}'*"
_WORD = r"(?:[A-Z][a-z]+|[a-z]{4,})(?: [A-Za-z]+){0,5}"
_OTHER = re.compile(
    rf"\s*(?:{_POINTS}|{_WORD}|\|{_POINTS}\||\|\s*{_SYMBOL}\s*\||"
    rf"\\(?:overline|angle|triangle|vec|hat|bar|widehat|overrightarrow)\s*\{{?\s*[A-Za-z]+{_SCRIPT}\s*\}}?|"
    rf"(?:\\text\{{[^{{}}]*\}}\s*)+(?:{_SYMBOL})?|m\s*\\angle\s*[A-Z]+|(?:{_SYMBOL})\s*\\text\{{[^{{}}]*\}})\s*"
)
_TUPLE = re.compile(r"\s*\((.*)\)\s*")
_LETTERS = re.compile(r"\\[A-Za-z]+|[A-Za-z]")
_CONSTANT_COMMANDS = (
    *("pi", "infty", "degree", "frac", "sqrt", "binom", "cdot", "pm", "mp", "overline", "text"),
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh"),
    *("tanh", "log", "ln", "exp", "max", "min", "gcd", "lcm", "mod", "begin", "end"),
    *("lceil", "rceil", "lfloor", "rfloor"),
)
_CONSTANTS = frozenset(("e", "i", *(f"\\{name}" for name in _CONSTANT_COMMANDS)))
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[a-zA-Z]*\}")
_BINDERS = (r"\lim", r"\int", r"\sum", r"\prod")


def is_name(text: str) -> bool:
    """Whether a text may be the label of a value."""
    if _PLAIN.fullmatch(text) or _CALL.fullmatch(text) or _OTHER.fullmatch(text):
        return True
    inner = _TUPLE.fullmatch(text)
    return bool(inner) and all(_part_is_name(part) for part in _commas(inner[1]))


def is_variable(text: str) -> bool:
    """Whether a text is one symbol, a function's value or ``|x|``: what inequalities bound."""
    inner = text.strip()
    if len(inner) > 2 and inner[0] == inner[-1] == "|":
        inner = inner[1:-1]
    return bool(_PLAIN.fullmatch(inner) or _CALL.fullmatch(inner))


def is_unknown(text: str) -> bool:
    """Whether a label names what is sought: one symbol or a tuple of symbols."""
    inner = _TUPLE.fullmatch(text)
    return is_variable(text) or (bool(inner) and all(map(is_variable, _commas(inner[1]))))


def call(label: str) -> tuple[str, tuple[str, ...]] | None:
    """Name and arguments of a label like ``f(x, y)``, else None."""
    match = _CALL.fullmatch(label)
    return (match[1].strip(), tuple(map(str.strip, match[2].split(",")))) if match else None


def is_closed(text: str) -> bool:
    r"""Whether a text has no free variable; the variables of ``\lim``, ``\sum`` are bound."""
    if text.startswith(_BINDERS):
        return True
    return not symbols(text)


def mentions(text: str, name: str) -> bool:
    """Whether an expression holds the symbol."""
    wanted = name.strip().strip("|").strip()
    return wanted in _LETTERS.findall(text) or (len(wanted) > 1 and wanted in text)


def rename(text: str, old: str, new: str) -> str:
    """The expression with one single-letter symbol renamed; commands are left alone."""
    return _LETTERS.sub(lambda letter: new if letter[0] == old else letter[0], text)


def _part_is_name(part: str) -> bool:
    return bool(_PLAIN.fullmatch(part) or _CALL.fullmatch(part) or _OTHER.fullmatch(part))


def _commas(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "({") - (character in ")}")
        if character in ",;" and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def symbols(text: str) -> set[str]:
    """The free letters of an expression."""
    letters = _LETTERS.findall(_ENVIRONMENT.sub("", text))
    return {letter for letter in letters if letter not in _CONSTANTS}
