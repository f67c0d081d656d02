"""Results of a suite in a folder: JSON lines, a Markdown table, a plot."""

import json
import os
import pathlib
import platform
import time
from collections.abc import Sequence
from typing import Any

from reasoning_jax.bench import plot
from reasoning_jax.bench.table import markdown


def stamp(suite: str, shape: str, about: dict[str, Any]) -> dict[str, Any]:
    """When and where: what every line of the results carries."""
    return {
        "suite": suite,
        "shape": shape,
        "time": time.time(),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        **about,
    }


def processor() -> str:
    """Model name of the CPU where the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def write(
    folder: str | os.PathLike,
    suite: str,
    shape: str,
    rows: Sequence[dict[str, Any]],
    about: dict[str, Any],
) -> list[pathlib.Path]:
    """Appends to ``suite.jsonl``, writes ``suite-shape.md`` and ``.svg``; the paths written."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    common = stamp(suite, shape, about)
    lines = folder / f"{suite}.jsonl"
    with lines.open("a") as file:
        file.writelines(json.dumps(common | row) + "\n" for row in rows)
    text = folder / f"{suite}-{shape}.md"
    text.write_text(f"{title(common)}\n\n{markdown(rows)}")
    paths = [lines, text]
    if (figure := plot.draw(rows, f"{suite}, {shape}")) is not None:
        picture = folder / f"{suite}-{shape}.svg"
        figure.savefig(picture)
        paths.append(picture)
    return paths


def title(common: dict[str, Any]) -> str:
    """One line: suite, machine, versions, load, roofline."""
    parts = [
        f"**{common['suite']}**, shape {common['shape']}",
        f"{common['cores']} cores of {common['processor']}",
        f"load {common['load'][0]:.1f}",
    ]
    parts += [f"{name} {version}" for name, version in common.get("versions", {}).items()]
    roofline = common.get("roofline", {})
    if roofline:
        parts.append(f"roofline {roofline['flops'] / 1e9:,.0f} GFLOP/s")
        parts.append(f"{roofline['bandwidth'] / 1e9:,.0f} GB/s")
    return ", ".join(parts)
