"""The page of a run: report.html, self-contained, from what its workdir holds."""

import collections
import html
import json
import os
import pathlib
import re
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reasoning_jax.evals import console, plots
from reasoning_jax.evals.thinking_plots import THINKING_CHARTS
from reasoning_jax.training.metrics import METRICS, SAMPLES, read_lines, read_metrics

REPORT = "report.html"

VERDICTS = {True: "right", False: "wrong", None: "not judged"}
PER_VERDICT = 2
"""Samples shown of each verdict at a step."""

Lines = Sequence[Mapping[str, Any]]


def write_report(workdir: str | os.PathLike) -> pathlib.Path:
    """Writes ``report.html`` into the workdir: results, plots, samples to read, the config.

    The page needs nothing outside itself. Of config.json, ``header`` stands at its top: first line
    the title, then paragraphs, indented ones as commands; ``name`` is the title without it.

    Returns:
      Path of the page.

    Raises:
      FileNotFoundError: the workdir has no metrics.jsonl.
      ValueError: metrics.jsonl is empty, or a line of a file is broken.
    """
    workdir = pathlib.Path(workdir)
    lines = read_metrics(workdir)
    if not lines:
        raise ValueError(f"{workdir / METRICS} is empty: no stage has logged a step yet")
    config_file = workdir / "config.json"
    config = json.loads(config_file.read_text("utf-8")) if config_file.exists() else {}
    title, *description = _header(config, workdir)
    body = "\n".join(
        [
            f"<header><h1>{_text(title)}</h1>{_description(description)}{_facts(lines)}</header>",
            _warnings(lines),
            *_sections(lines),
            *_samples(workdir),
            _config(config),
        ]
    )
    path = workdir / REPORT
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(
        _PAGE.format(title=_text(title), style=_STYLE, body=body),
        "utf-8",
        errors="backslashreplace",
    )
    unfinished.replace(path)
    return path


def _header(config: Mapping[str, Any], workdir: pathlib.Path) -> list[str]:
    """Title and paragraphs of description."""
    paragraphs = re.split(r"\n\s*\n", str(config.get("header", "")).strip())
    if not paragraphs[0]:
        return [str(config.get("name", workdir.resolve().name))]
    title, *rest = paragraphs[0].splitlines()
    return [title, *(["\n".join(rest)] if rest else []), *paragraphs[1:]]


def _description(paragraphs: Sequence[str]) -> str:
    """Running text, reflowed; indented paragraphs are commands."""
    parts = []
    for paragraph in paragraphs:
        if paragraph[:1].isspace():
            parts.append(f'<pre class="command">{_text(textwrap.dedent(paragraph))}</pre>')
        else:
            parts.append(f'<p class="description">{_text(" ".join(paragraph.split()))}</p>')
    return "".join(parts)


def _facts(lines: Lines) -> str:
    steps: dict[str, int] = {}
    for line in lines:
        steps[line["stage"]] = max(steps.get(line["stage"], 0), line["step"])
    stages = " → ".join(f"{stage} {last}" if last else stage for stage, last in steps.items())
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(lines[0]["time"]))
    lasted = console.duration(lines[-1]["time"] - lines[0]["time"])
    facts = {"Stages (steps)": stages, "Started": begun, "Wall time": lasted}
    cells = "".join(f"<div><dt>{k}</dt><dd>{_text(v)}</dd></div>" for k, v in facts.items())
    return f'<dl class="facts">{cells}</dl>'


def _warnings(lines: Lines) -> str:
    """Names the metrics that were nan or infinite, which a curve cannot show."""
    broken = collections.defaultdict(list)
    for line in lines:
        for name, value in line.items():
            if value is None:
                broken[name].append(f"{line['stage']} {line['step']}")
    items = "".join(
        f"<li><code>{_text(name)}</code> was not finite at {len(steps)} "
        f"{'step' if len(steps) == 1 else 'steps'}, first at {_text(steps[0])}</li>"
        for name, steps in broken.items()
    )
    return f'<ul class="warnings">{items}</ul>' if items else ""


def _results(lines: Lines) -> str:
    """A row for each stage that evaluated: its last evaluation, against its first."""
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if console.evaluation_names(line):
            stages.setdefault(line["stage"], []).append(line)
    if not stages:
        return ""
    names = console.headline_names([row for rows in stages.values() for row in rows])
    head = "".join(f'<th scope="col">{_text(n.removeprefix("eval/"))}</th>' for n in names)
    rows = "".join(
        f'<tr><th scope="row">{_text(stage)}<small>{_steps(evaluations)}</small></th>'
        + "".join(_result(name, evaluations) for name in names)
        + "</tr>"
        for stage, evaluations in stages.items()
    )
    return (
        '<p class="note">The last evaluation of each stage, ± half its 95% '
        "interval; below it the first one and the change (of shares in points).</p>"
        f'<div class="scroll"><table class="results"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _steps(evaluations: Lines) -> str:
    first, last = evaluations[0]["step"], evaluations[-1]["step"]
    return f"step {first} to {last}" if first != last else f"step {last}"


def _result(name: str, evaluations: Lines) -> str:
    first, last = evaluations[0], evaluations[-1]
    value, _, interval = console.show_measurement(name, last).partition(" ± ")
    cell = f"<b>{value}</b>" + (f"<i> ± {interval}</i>" if interval else "")
    change = console.show_change(name, first.get(name), last.get(name))
    if len(evaluations) > 1 and change:
        before = console.show_measurement(name, first)
        cell += f'<small>{before} <span class="change">{change}</span></small>'
    return f'<td data-name="{_text(name.removeprefix("eval/"))}">{cell}</td>'


def _sections(lines: Lines) -> Iterator[str]:
    """The results and their charts, then the other charts under the heading of each."""
    sections = {"Results": _results(lines)}
    charts: dict[str, list[str]] = {}
    for chart in (*plots.CHARTS, *THINKING_CHARTS):
        figure = chart.draw(lines)
        if figure is not None:
            charts.setdefault(chart.section, []).append(_chart(chart, plots.to_svg(figure)))
    for section, figures in charts.items():
        grid = f'<div class="charts">{"".join(figures)}</div>'
        sections[section] = sections.get(section, "") + grid
    for section, content in sections.items():
        if content:
            yield f"<section><h2>{_text(section)}</h2>{content}</section>"


def _chart(chart: plots.Chart, svg: str) -> str:
    wide = ' class="wide"' if chart.wide else ""
    return (
        f"<figure{wide}><figcaption><b>{_text(chart.title)}</b>"
        f"<span>{_text(chart.note)}</span></figcaption>{svg}</figure>"
    )


def _samples(workdir: pathlib.Path) -> Iterator[str]:
    """Right and wrong completions at the first, middle and last step of each stage."""
    for path in sorted((workdir / SAMPLES).glob("*.jsonl")):
        kept: dict[int, dict[bool | None, list[Mapping[str, Any]]]] = {}
        for row in read_lines(path):
            same = kept.setdefault(row["step"], {}).setdefault(row.get("verdict"), [])
            if len(same) < PER_VERDICT:
                same.append(row)
        steps = sorted(kept)
        chosen = sorted({steps[0], steps[len(steps) // 2], steps[-1]}) if steps else ()
        blocks = "".join(
            f"<h3>Step {step}</h3>"
            + '<div class="samples">'
            + "".join(
                f'<div class="column">{"".join(map(_sample, kept[step][verdict]))}</div>'
                for verdict in VERDICTS
                if verdict in kept[step]
            )
            + "</div>"
            for step in chosen
        )
        if blocks:
            yield f"<section><h2>Samples of {_text(path.stem)}</h2>{blocks}</section>"


def _sample(row: Mapping[str, Any]) -> str:
    verdict = VERDICTS[row.get("verdict")]
    facts = {
        "reward": _signed(row.get("reward")),
        "advantage": _signed(row.get("advantage")),
        "gold": row.get("gold"),
        "ended by": row.get("finish_reason"),
    }
    cells = "".join(
        f"<span>{name} <b>{_text(value)}</b></span>"
        for name, value in facts.items()
        if value is not None
    )
    reason = f" · {_text(row['reason'])}" if row.get("reason") else ""
    return (
        f'<article class="{verdict.replace(" ", "-")}">'
        f'<div class="verdict"><strong>{verdict}{reason}</strong>'
        f"<em>{_text(row.get('problem', ''))}</em></div>"
        f'<pre class="prompt">{_text(row.get("prompt", ""))}</pre>'
        f'<pre class="completion">{_text(row.get("completion", ""))}</pre>'
        f'<div class="numbers">{cells}</div></article>'
    )


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}".replace("-", "−")


def _config(config: Mapping[str, Any]) -> str:
    if not config:
        return ""
    text = _text(json.dumps(config, indent=2, ensure_ascii=False))
    return f"<section><details><summary>Config</summary><pre>{text}</pre></details></section>"


def _text(value: Any) -> str:
    return html.escape(str(value))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1b1f24; --muted: #66707c; --rule: #e3e5e8;
  --right: #1f7a54; --wrong: #b3403a; --unjudged: #8a6d1a; --shade: #f3f4f5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131619; --card: #1a1e22; --ink: #e4e7ea; --muted: #98a2ad; --rule: #2c3238;
    --right: #58bd90; --wrong: #ea8079; --unjudged: #d8b45a; --shade: #20252a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 80px; }
h1 { font-size: 28px; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; margin: 0; }
h2 { font-size: 18px; font-weight: 650; margin: 48px 0 12px; padding-top: 12px;
  border-top: 1px solid var(--rule); }
h3 { font-size: 14px; font-weight: 600; color: var(--muted); margin: 24px 0 8px; }
pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px; }
.note, .description, figcaption span { color: var(--muted); }
.note { margin: 0 0 12px; font-size: 13px; }
.description { margin: 8px 0 0; max-width: 75ch; }
.command { margin-top: 16px; padding: 10px 14px; background: var(--shade); border-radius: 6px; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 20px 0 0; }
.facts dt { font-size: 12px; color: var(--muted); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.warnings { margin: 24px 0 0; padding: 12px 14px 12px 32px; border-left: 3px solid var(--wrong);
  background: var(--shade); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; vertical-align: top; padding: 10px 0 10px 20px; white-space: nowrap;
  border-bottom: 1px solid var(--rule); }
th:first-child { text-align: left; padding-left: 0; }
thead th { font-size: 12px; font-weight: 500; color: var(--muted); padding-top: 4px;
  padding-bottom: 6px; }
tbody th { font-weight: 600; }
td b { font-weight: 650; }
td i { font-style: normal; color: var(--muted); font-size: 13px; }
table small { display: block; font-size: 12px; font-weight: 400; color: var(--muted); }
.change { color: var(--ink); margin-left: 4px; }
.results { margin-bottom: 32px; }
.charts { display: grid; gap: 28px 32px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
figure { margin: 0; min-width: 0; display: flex; flex-direction: column; }
figure.wide { grid-column: span 2; }
figcaption { flex: 1; font-size: 14px; line-height: 1.35; margin-bottom: 6px; }
figcaption b { font-weight: 600; display: block; }
figcaption span { font-size: 12px; }
svg { display: block; width: 100%; max-width: 780px; height: auto; overflow: visible; }
svg text { font-family: inherit !important; font-variant-numeric: tabular-nums; }
.samples { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.column { display: flex; flex-direction: column; gap: 16px; min-width: 0; }
article { background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  border-top: 3px solid var(--tone); overflow: hidden; }
article.right { --tone: var(--right); }
article.wrong { --tone: var(--wrong); }
article.not-judged { --tone: var(--unjudged); }
.verdict, .numbers { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 2px 16px;
  padding: 8px 14px; font-size: 12.5px; }
.verdict strong { color: var(--tone); font-weight: 600; }
.verdict em { font-style: normal; color: var(--muted); }
.numbers { justify-content: flex-start; color: var(--muted); border-top: 1px solid var(--rule); }
.numbers b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
.prompt, .completion { padding: 8px 14px; max-height: 22em; overflow-y: auto; }
.prompt { background: var(--shade); color: var(--muted); }
summary { cursor: pointer; font-size: 18px; font-weight: 650; }
details { margin-top: 48px; padding-top: 12px; border-top: 1px solid var(--rule); }
details pre { margin-top: 12px; padding: 12px 14px; background: var(--shade); border-radius: 6px; }
@media (max-width: 740px) {
  figure.wide { grid-column: auto; overflow-x: auto; }
  figure.wide svg { min-width: 520px; }
  figure:not(.wide) svg { max-width: 420px; }
}
@media (max-width: 640px) {
  main { padding: 28px 16px 56px; }
  h1 { font-size: 23px; }
  table.results thead { display: none; }
  table.results, .results tbody, .results tr { display: block; }
  .results tr { display: grid; grid-template-columns: 1fr 1fr; gap: 10px 16px; padding: 12px 0;
    border-bottom: 1px solid var(--rule); }
  .results tbody th { grid-column: 1 / -1; }
  .results th, .results td { border: 0; padding: 0; text-align: left; display: block; }
  .results td::before { content: attr(data-name); display: block; font-size: 12px;
    color: var(--muted); }
}
"""
