"""Continues a prompt: python -m launch.sample --model=DIR --prompt="7+5*4-9+1*3+2=".

DIR is a model folder in Hugging Face format, or the workdir of a finished run.
"""

from launch import environment  # isort: skip  (before jax starts)

import dataclasses
import json

from absl import flags

from launch.sampler_flags import load_sampler, sampling_params

MODEL = flags.DEFINE_string("model", None, "Model folder, or workdir of a run.", required=True)
PROMPT = flags.DEFINE_multi_string("prompt", None, "Prompt; may be given again.", required=True)
JSON = flags.DEFINE_bool("json", False, "One JSON object a line, with tokens and logprobs.")


def main(_: list[str]) -> None:
    """Loads, samples, prints."""
    sampler = load_sampler(MODEL.value)
    outs = sampler.generate(PROMPT.value, sampling_params())
    for prompt, completions in zip(PROMPT.value, outs):
        for completion in completions:
            if JSON.value:
                print(json.dumps({"prompt": prompt, **dataclasses.asdict(completion)}))
            else:
                print(f"{prompt}{completion.transcript or completion.text}")


if __name__ == "__main__":
    environment.run(main)
