"""AceReason-Nemotron's stages (arXiv 2505.16400): longer responses, mathematics before code.

Three tasks: chains of four and of ten operations (mathematics), whose solutions take 8 and 20
tokens, and programs for chains of four, which are run on tests (code). One update per batch.

  staged     a third of the steps on mathematics with 12 tokens a response, a third with 24, a
             third on code; what does not end in 12 tokens earns nothing
  fixed      the same with 24 tokens throughout
  mixed      all three tasks throughout
  code_only  code throughout

  python -m launch.train --config=configs/acereason_stages.py:VARIANT --workdir=DIR
  python -m launch.study --study=configs/studies/acereason_stages.py --out=DIR

Variants are those above, after a colon; ``small`` instead or behind is for continuous integration.
Figures: docs/systems/acereason.md.
"""

from ml_collections import ConfigDict

from configs.chains import chains, split_variant

VARIANTS = ("staged", "fixed", "mixed", "code_only")
MATH, CODE = ("short", "long"), ("code",)
SHORT, LONG = 12, 24  # tokens of a response


def get_config(variant: str = "") -> ConfigDict:
    chosen, small = split_variant("acereason_stages", variant, VARIANTS)
    config = chains(f"acereason_stages:{variant or chosen}", __doc__, small)
    of_chains = config.task_options.to_dict()
    code = {"task": "reasoning_jax.tasks.codechain:CodeChain", "length": 2 if small else 4}
    config.task = "reasoning_jax.tasks.mixture:Mixture"
    config.task_options = ConfigDict(
        {
            "parts": {
                "short": {"task": "modchain", **of_chains, "length": 2 if small else 4},
                "long": {"task": "modchain", **of_chains, "length": 7 if small else 10},
                "code": {**code, "operations": of_chains["operations"], "noise": 0.1},
            }
        }
    )
    config.sft.row_tokens = 96
    config.sft.gate.metric = ""
    config.sft.steps = 400 if small else 1_500
    config.rl.guard.start = 0.0 if small else 0.1
    for block in (config.sft.evaluation, config.rl.evaluation):
        block.max_tokens = LONG
    for block in (config.rl, config.evaluate_sft, config.evaluate_rl):
        block.max_tokens = LONG
    third = config.rl.steps // 3
    config.rl.evaluate_every = third
    config.rl.phases = {
        "staged": (_phase(MATH, SHORT, third), _phase(MATH, LONG, third), _phase(CODE, LONG, 0)),
        "fixed": (_phase(MATH, LONG, 2 * third), _phase(CODE, LONG, 0)),
        "mixed": (),
        "code_only": (_phase(CODE, LONG, 0),),
    }[chosen]
    config.lock()
    return config


def _phase(parts: tuple[str, ...], max_tokens: int, steps: int) -> dict:
    admit = {"name": "reasoning_jax.stages.rl.admit.of_parts", "parts": parts}
    return {"set": {"max_tokens": max_tokens, "admit": admit}, "steps": steps}
