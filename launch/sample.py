"""Continues a prompt: python -m launch.sample --model=DIR --prompt="7+5*4-9+1*3+2=".

DIR is a model folder in Hugging Face format, or the workdir of a finished run.
"""

from launch import environment  # isort: skip  (before jax starts)

import json

from absl import flags

MODEL = flags.DEFINE_string("model", None, "Model folder, or workdir of a run.", required=True)
PROMPT = flags.DEFINE_multi_string("prompt", None, "Prompt; may be given again.", required=True)
SAMPLES = flags.DEFINE_integer("n", 1, "Completions per prompt.", lower_bound=1)
MAX_TOKENS = flags.DEFINE_integer("max_tokens", 128, "Length limit of a completion.")
TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "0 is greedy.")
TOP_P = flags.DEFINE_float("top_p", 1.0, "Nucleus.")
TOP_K = flags.DEFINE_integer("top_k", 0, "Most likely tokens to sample from; 0 is all.")
SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
STOP = flags.DEFINE_multi_string("stop", [], "String that ends a completion.")
JSON = flags.DEFINE_bool("json", False, "One JSON object a line, with tokens and logprobs.")


def main(_: list[str]) -> None:
    """Loads, samples, prints."""
    from reasoning_jax.parallel import make_mesh
    from reasoning_jax.sampling import Sampler, SamplingParams
    from reasoning_jax.stages.exported import load_exported

    mesh = make_mesh()
    config, params, tokenizer = load_exported(MODEL.value, mesh)
    sampling = SamplingParams(
        max_tokens=MAX_TOKENS.value,
        temperature=TEMPERATURE.value,
        top_p=TOP_P.value,
        top_k=TOP_K.value,
        n=SAMPLES.value,
        seed=SEED.value,
        stop=tuple(STOP.value),
    )
    sampler = Sampler(config, params, tokenizer, mesh)
    for prompt, completions in zip(PROMPT.value, sampler.generate(PROMPT.value, sampling)):
        for completion in completions:
            if JSON.value:
                print(json.dumps({"prompt": prompt, **vars(completion)}))
            else:
                print(f"{prompt}{completion.text}")


if __name__ == "__main__":
    environment.run(main)
