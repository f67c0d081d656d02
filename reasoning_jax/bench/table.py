"""Rows as a Markdown table and on the terminal."""

from collections.abc import Sequence
from typing import Any

HEADINGS = {
    "case": "work",
    "who": "by",
    "wall_s": "s",
    "cpu_s": "CPU-s",
    "peak_mb": "peak MB",
    "floor_s": "floor s",
    "of_floor": "of floor",
    "tflops": "TFLOP/s",
    "times": "ours is times as fast",
    "low": "least",
    "high": "most",
    "cpu_times": "in CPU-s",
    "agrees": "same numbers",
    "temp_mb": "temporary MB",
    "of_full": "of full logits",
    "of_raw": "of a raw read",
    "share": "of the engine",
    "host": "host else",
}


_SHARES = {"of_floor", "of_full", "of_raw", "share", "sample", "verify", "update", "host"}


def columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Keys of all rows, in the order of the fullest one and then as they first appear."""
    fullest_first = sorted(rows, key=len, reverse=True)
    return list(dict.fromkeys(key for row in fullest_first for key in row))


def cell(key: str, value: Any) -> str:
    """One value, three significant digits; nothing where there is none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if key in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table; numbers to the right."""
    keys = columns(rows)
    lines = [
        "| " + " | ".join(HEADINGS.get(key, key) for key in keys) + " |",
        "|" + "|".join("---" if _is_text(rows, key) else "---:" for key in keys) + "|",
    ]
    lines += ["| " + " | ".join(cell(key, row.get(key)) for key in keys) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the rows as one table."""
    import rich.console
    import rich.table

    table = rich.table.Table()
    keys = columns(rows)
    for key in keys:
        justify = "left" if _is_text(rows, key) else "right"
        table.add_column(HEADINGS.get(key, key), justify=justify)
    for row in rows:
        table.add_row(*(cell(key, row.get(key)) for key in keys))
    rich.console.Console(width=160).print(table)


def _is_text(rows: Sequence[dict[str, Any]], key: str) -> bool:
    return any(isinstance(row.get(key), str) for row in rows)
