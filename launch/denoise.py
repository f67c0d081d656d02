"""Denoising of rendered images: an energy model beside a denoiser in one pass.

python -m launch.denoise --seeds=3 --out=runs/denoise

Appends one JSON line for each figure to OUT/denoise.jsonl and prints means over the seeds.
"""

from launch import environment  # isort: skip  (before jax starts)

import json
import pathlib

from absl import flags

SEEDS = flags.DEFINE_integer("seeds", 1, "Runs, with seeds 0, 1, ...", lower_bound=1)
UPDATES = flags.DEFINE_integer("updates", 400, "Updates of each model.", lower_bound=1)
OUT = flags.DEFINE_string("out", None, "Folder for the JSON lines.", required=True)


def main(argv: list[str]) -> None:
    """Trains, asks, writes, prints."""
    del argv
    import rich.console
    import rich.table

    from reasoning_jax.studies.denoising import Denoising, run

    folder = pathlib.Path(OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    settings = Denoising(updates=UPDATES.value)
    found: dict[tuple[str, int], dict[float, list[float]]] = {}
    for seed in range(SEEDS.value):
        rows = run(settings, seed)
        with (folder / "denoise.jsonl").open("a") as lines:
            lines.writelines(json.dumps({"seed": seed} | row) + "\n" for row in rows)
        for row in rows:
            of = found.setdefault((row["who"], row["thoughts"]), {})
            of.setdefault(row["noise"], []).append(row["psnr"])
    table = rich.table.Table(title="PSNR in dB")
    table.add_column("")
    for noise in settings.tested:
        trained = " (trained)" if noise == settings.noise else ""
        table.add_column(f"noise {noise:g}{trained}", justify="right")
    for (who, thoughts), of in found.items():
        unit = {"denoiser": "passes", "energy": "thoughts"}.get(who)
        name = f"{who}, {thoughts} {unit}" if unit else who
        values = (sum(of[noise]) / len(of[noise]) for noise in settings.tested)
        table.add_row(name, *(f"{value:.2f}" for value in values))
    rich.console.Console(width=100).print(table)


if __name__ == "__main__":
    environment.run(main)
