"""One spelling of an answer's notation: delimiters, LaTeX variants, Unicode signs, plain text.

Nothing here decides anything; two answers that differ only in how they are typed become the same
text, and every later step reads one notation.
"""

import re
import unicodedata

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/",
    "≤": r"\le ", "≥": r"\ge ", "≦": r"\le ", "≧": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "∈": r"\in ", "∪": r"\cup ", "∩": r"\cap ", "∖": r"\setminus ",
    "∞": r"\infty ", "π": r"\pi ", "√": r"\sqrt ", "±": r"\pm ", "∓": r"\mp ", "°": r"\degree ",
    "º": r"\degree ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "θ": r"\theta ",
    "λ": r"\lambda ", "μ": r"\mu ", "φ": r"\phi ", "ω": r"\omega ", "σ": r"\sigma ",
    "Δ": r"\Delta ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
    "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∅": r"\emptyset ", "∀": r"\forall ", "⟨": r"\langle ",
    "⟩": r"\rangle ", "⌈": r"\lceil ", "⌉": r"\rceil ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "，": ",", "；": ";", "：": ":", "（": "(", "）": ")", "。": ".", "、": ",", "｛": r"\{",
    "｝": r"\}", "≡": r"\equiv ", "→": r"\to ", "∠": r"\angle ", "½": r"\frac{1}{2}",
    "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}",
    "“": "", "”": "", "€": "", "£": "", "¥": "", "\u200b": "", "\ufeff": "",
}  # fmt: skip
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUBSCRIPT = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_CIRCLED = re.compile("[①-⑳]")

_COMMANDS = {
    "dfrac": r"\frac", "tfrac": r"\frac", "cfrac": r"\frac", "dbinom": r"\binom",
    "tbinom": r"\binom", "leq": r"\le ", "leqslant": r"\le ", "leqq": r"\le ", "le": r"\le ",
    "geq": r"\ge ", "geqslant": r"\ge ", "geqq": r"\ge ", "ge": r"\ge ", "lt": "<", "gt": ">",
    "neq": r"\ne ", "ne": r"\ne ", "times": r"\cdot ", "cdot": r"\cdot ", "ast": r"\cdot ",
    "div": "/", "left": "", "right": "", "big": "", "Big": "", "bigg": "", "Bigg": "", "bigl": "",
    "bigr": "", "Bigl": "", "Bigr": "", "biggl": "", "biggr": "", "displaystyle": "",
    "textstyle": "", "limits": "", "nolimits": "", "quad": " ", "qquad": " ", "hspace": "",
    "lbrace": r"\{", "rbrace": r"\}", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "lbrack": "[", "rbrack": "]", "land": r"\text{ and }", "lor": r"\text{ or }", "colon": ":",
    "degree": r"\degree ", "backslash": r"\setminus ", "varnothing": r"\emptyset ",
    "rightarrow": r"\to ", "longrightarrow": r"\to ", "bmod": r"\mod ",
    "lg": r"\log_{10}", "arctg": r"\arctan ", "tg": r"\tan ", "ctg": r"\cot ",
    "varepsilon": r"\epsilon ", "varphi": r"\phi ", "operatorname": r"\text", "mbox": r"\text",
    "textnormal": r"\text", "textbf": r"\text", "textit": r"\text", "textrm": r"\text",
    "mathrm": r"\text", "mathbf": r"\text", "mathit": r"\text", "rm": "", "bf": "",
    "boldsymbol": "", "bm": "", "hbox": r"\text", "text": r"\text",
    "infinity": r"\infty ", "cupdot": r"\cup ", "bigcup": r"\cup ",
    "prime": "'", "dotsc": r"\ldots ", "dots": r"\ldots ", "cdots": r"\ldots ",
    "dotsm": r"\ldots ", "dotsb": r"\ldots ",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)\s*")
# Commands that answers run into the next letter: \quadx is \quad x, \lex is \le x.
_GLUED = ("quad", "le", "ge", "cdot", "times", "cup", "pm", "pi")
_KNOWN_GLUED = frozenset(("leq", "geq", "left", "pit"))

_DOUBLED = re.compile(r"\\\\(?=[A-Za-z])")
_THIN = re.compile(r"\\[!,;:> ]|~|\\\n")
_GROUPED = re.compile(r"(?<=[0-9])\s?(?:,\s*\\!\s*|\{\s*,\s*\}|\\,|\\!)(?=\s?[0-9]{3}(?![0-9]))\s?")
_DELIMITER = re.compile(r"\\[()\[\]](?!\s*[0-9.]*\s*(?:pt|em|ex|mm)\])|(?<!\\)\$+")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_MARKUP = re.compile(r"<(su[pb])>(.*?)</\1>")
_ELLIPSIS = re.compile(r"(?<=[0-9])(?:\.{3}|…)")
_BOX = re.compile(r"\\f?boxed\s*(?=\{)")
_TEXT = re.compile(r"\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
# Set upright behind a value these are units; elsewhere a single letter is a variable.
_LETTER_UNITS = frozenset("mgshlLNJW")
_POWER_ALONE = re.compile(r"\s*(?:\^\s*\{?\s*[0-9]\s*\}?)?[\s.]*")
_JOIN = re.compile(r"\s*,?\s*\b(and|or)\b\s*", re.IGNORECASE)
_FUNCTIONS = (
    "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sin", "cos", "tan", "cot", "sec",
    "csc", "log", "ln", "exp", "gcd", "lcm", "det",
)  # fmt: skip
_PLAIN = re.compile(
    rf"(?<![A-Za-z\\])({'|'.join(_FUNCTIONS)}|sqrt|pi|infty|theta|alpha|beta)(?![A-Za-z])"
)
_FRACTION = re.compile(r"\\frac\s*(?=[^\s{])([A-Za-z0-9])\s*")
_HALF_FRACTION = re.compile(r"(\\frac\{[^{}]*\})\s*([A-Za-z0-9])")
_ROOT = re.compile(r"\\sqrt\s*(\[[^\]]*\])?\s*([A-Za-z0-9])")
_ROOT_CALL = re.compile(r"\\sqrt\s*\(")
_SHORT_SCRIPT = re.compile(r"([_^])\s*\{\s*([A-Za-z0-9])\s*\}")
# A connective typed without blanks between two values: (1,2)or(2,1), x=1orx=2.
_RUN_ON = re.compile(r"(?<=[0-9)}\]])(and|or)(?=[A-Za-z]\s*[=(<>]|[\\$({\[0-9-])")
# Thousands apart: 7 425 000.
_SPACED = re.compile(
    r"(?<![0-9.,_^A-Za-z] )(?<![0-9.,_^A-Za-z])[1-9][0-9]{0,2}(?: [0-9]{3})+(?![0-9])"
)
_CIRC = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ)|\\circ")
_PRIME_POWER = re.compile(r"\^\s*\{?\s*('+)\s*\}?")
_DEGREE_POWER = re.compile(r"\^\s*\{?\s*\\degree\s*\}?")
_PERCENT = re.compile(r"\\%|\bper\s?cent(?:age)?(?:\s+points?)?\b|\bpct\b", re.IGNORECASE)
_DEGREES = re.compile(r"(?<=[0-9)}])\s*\\?(?:text\s*\{\s*)?\bdegrees?\b\s*\}?", re.IGNORECASE)
_TRAILING = re.compile(r"[\s.,;:]+$")
_COMMAND_BLANK = re.compile(r"(\\[A-Za-z]+) +(?=[A-Za-z])")
_DIGIT_BLANK = re.compile(r"(?<=[0-9]) +(?=[0-9])")
_BLANKS = re.compile(r"\s+")


def spell_notation(text: str) -> str:
    r"""The text in one notation: ``\frac{}{}``, ``\le``, ``\cdot``; no math delimiters."""
    if not text.isascii():
        text = _ascii(text)
    text = _MARKUP.sub(lambda m: ("^" if m[1] == "sup" else "_") + "{" + m[2] + "}", text)
    text = _BOLD.sub(r"\1", text).replace("**", "^")
    text = (
        _ELLIPSIS.sub(r"\\ldots ", text)
        .replace("<=", r"\le ")
        .replace(">=", r"\ge ")
        .replace("!=", r"\ne ")
    )
    if "\\" in text or "$" in text or "{" in text:
        text = _latex(text)
    text = _RUN_ON.sub(r" \1 ", text.replace('\\"', "").replace('"', ""))
    text = _SPACED.sub(lambda m: m[0].replace(" ", ""), text)
    text = _PERCENT.sub("%", text)
    text = _DEGREES.sub(r"\\degree ", text)
    text = _PLAIN.sub(r"\\\1 ", text)
    text = _ROOT.sub(r"\\sqrt\1{\2}", _braced_roots(text))
    text = text.replace("*", r"\cdot ")
    return _TRAILING.sub("", _BLANKS.sub(" ", text)).strip()


def unwrap_braces(text: str) -> str:
    """Drops a pair of LaTeX braces that holds the whole text."""
    while text.startswith("{") and text.endswith("}") and _closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def compact(text: str) -> str:
    r"""Without the blanks that mean nothing: they do behind a command and between digits."""
    text = _DIGIT_BLANK.sub("\0", _COMMAND_BLANK.sub("\\1\0", text)).replace(" ", "")
    return text.replace("\0", " ")


def _ascii(text: str) -> str:
    text = _SUPERSCRIPT.sub(lambda m: "^{" + m[0].translate(_SUPERSCRIPTS) + "}", text)
    text = _SUBSCRIPT.sub(lambda m: "_{" + m[0].translate(_SUBSCRIPTS) + "}", text)
    if _CIRCLED.search(text):
        digits = (unicodedata.normalize("NFKC", sign) for sign in _CIRCLED.findall(text))
        text = _CIRCLED.sub("", text) + ",".join(digits)
    text = _SIGN.sub(lambda m: _SIGNS[m[0]], text)
    # Full-width forms; not NFKC on the whole, which would read other scripts' digits as ours.
    return "".join(chr(ord(c) - 0xFEE0) if "！" <= c <= "～" else c for c in text)


def _latex(text: str) -> str:
    if r"\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    text = text.replace("\\$", "").replace(r"\{", "\x01").replace(r"\}", "\x02")
    text = _GROUPED.sub("", text)
    text = text.replace("\\\\", "\x03")
    text = _DELIMITER.sub(" ", text)
    text = _THIN.sub(" ", text)
    text = _BOX.sub("", text)
    text = _COMMAND.sub(_command, text)
    text = text.replace("{}", "")
    text = _TEXT.sub(_text, text)
    text = _CIRC.sub(r"\\degree ", text)
    text = _PRIME_POWER.sub(r"\1", text)
    text = _DEGREE_POWER.sub(r"\\degree ", text)
    text = _FRACTION.sub(r"\\frac{\1}", text)
    text = _HALF_FRACTION.sub(r"\1{\2}", text)
    text = _ROOT.sub(r"\\sqrt\1{\2}", text)
    text = _SHORT_SCRIPT.sub(r"\1\2", text)
    text = text.replace("\x03", r"\\")
    return text.replace("\x01", r"\{").replace("\x02", r"\}")


def _command(match: re.Match[str]) -> str:
    name = match[1]
    known = _COMMANDS.get(name)
    if known is not None:
        return known
    if name not in _KNOWN_GLUED:
        for glued in _GLUED:
            if name.startswith(glued) and len(name) == len(glued) + 1:
                return (_COMMANDS.get(glued) or rf"\{glued} ") + name[-1]
    # A blank ends a command before a letter only; elsewhere it has no meaning.
    following = match.string[match.end() : match.end() + 1]
    return rf"\{name} " if following.isalnum() else rf"\{name}"


def _text(match: re.Match[str]) -> str:
    words = match[1].replace("{", "").replace("}", "")
    stripped = words.strip()
    if stripped in _FUNCTIONS:
        return rf"\{stripped} "
    if stripped in _LETTER_UNITS and _ends_a_value(match):
        return rf"\text{{{stripped}}}"
    if len(stripped) == 1 or stripped.replace(".", "").replace(",", "").isdigit():
        return stripped
    if _JOIN.search(words):
        return _JOIN.sub(lambda m: f" {m[1].lower()} ", words)
    return rf"\text{{{_BLANKS.sub(' ', words)}}}"


def _ends_a_value(match: re.Match[str]) -> bool:
    """Whether a value stands before and nothing but a power behind, as with a unit."""
    before = match.string[: match.start()].rstrip()[-1:]
    return (before.isdigit() or before in ("}", ")")) and _POWER_ALONE.fullmatch(
        match.string, match.end()
    ) is not None


def _braced_roots(text: str) -> str:
    while match := _ROOT_CALL.search(text):
        end = _closing(text, match.end() - 1)
        if end < 0:
            return text
        text = f"{text[: match.start()]}\\sqrt{{{text[match.end() : end]}}}{text[end + 1 :]}"
    return text


def _closing(text: str, start: int) -> int:
    """Index of the bracket that closes the one at `start`, or -1; escaped ones do not count."""
    opening = text[start]
    closing = {"{": "}", "(": ")", "[": "]"}[opening]
    depth = 0
    for index in range(start, len(text)):
        if text[index] in (opening, closing) and text[index - 1 : index] != "\\":
            depth += 1 if text[index] == opening else -1
            if depth == 0:
                return index
    return -1
