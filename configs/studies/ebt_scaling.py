"""How the regret of both models falls with width, depth and batch, one at a time.

python -m launch.study --study=configs/studies/ebt_scaling.py --out=DIR

The middle of each range is in configs/studies/ebt.py; slopes over updates are those of its runs:
python -m launch.scaling DIR/runs/ebt/seed0,DIR/runs/ebt/seed1 DIR/runs/transformer/seed0
"""

from reasoning_jax.studies import Arm, Budget, Measure, Study, last

KINDS = {"transformer": "configs/ebt.py:baseline,small", "ebt": "configs/ebt.py:small"}
SIZES = {
    "half_width": {
        "model_overrides.d_model": 32,
        "model_overrides.head_dim": 8,
        "model_overrides.d_ff": 96,
    },
    "twice_width": {
        "model_overrides.d_model": 128,
        "model_overrides.head_dim": 32,
        "model_overrides.d_ff": 384,
    },
    "half_depth": {"model_overrides.n_layers": 1, "unroll": 1},
    "twice_depth": {"model_overrides.n_layers": 4, "unroll": 4},
    "half_batch": {"pretrain.rows": 16},
    "twice_batch": {"pretrain.rows": 64},
}


def get_study() -> Study:
    return Study(
        name="ebt_scaling",
        question="Does the regret of an energy model fall faster with size than a transformer's?",
        arms={
            f"{kind}_{size}": Arm(config, changes)
            for kind, config in KINDS.items()
            for size, changes in SIZES.items()
        },
        baseline="transformer_half_width",
        budget=Budget("steps", stage="pretrain"),
        measures=(Measure("regret", last("study", "eval/same/regret"), unit="nats"),),
    )
