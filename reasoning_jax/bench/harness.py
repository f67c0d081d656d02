"""What lm-evaluation-harness asked of a server, and what the model itself answers to it."""

import dataclasses
import pathlib

import numpy as np

from reasoning_jax.models import Transformer, load_hf, token_logprobs
from reasoning_jax.sampling import Sampler, SamplingParams
from reasoning_jax.text import load_tokenizer


@dataclasses.dataclass(frozen=True)
class Asked:
    """One request of the harness and what it made of the answer.

    Attributes:
      context: the text before.
      continuation: the text whose likelihood was asked for; None where one was to be written.
      until: strings that end what is written.
      most: most tokens to write.
      answer: the text written, or (log-likelihood, whether every token is the most likely one).
    """

    context: str
    continuation: str | None
    until: tuple[str, ...]
    most: int
    answer: str | tuple[float, bool]


def read_sample(sample: dict) -> list[Asked]:
    """The requests of one question, from a line of the harness's samples."""
    asked = []
    for arguments, responses in zip(sample["arguments"].values(), sample["resps"]):
        context, more = arguments["arg_0"], arguments["arg_1"]
        answer = responses[0]
        if isinstance(more, dict):
            asked.append(Asked(context, None, tuple(more["until"]), more["max_gen_toks"], answer))
        else:
            value, greedy = answer
            asked.append(Asked(context, more, (), 0, (float(value), str(greedy) == "True")))
    return asked


def likelihoods(model: pathlib.Path, asked: list[Asked]) -> list[tuple[float, float]]:
    """(the harness's log-likelihood, the model's own) of each continuation."""
    config, params = load_hf(model)
    tokenizer, transformer = load_tokenizer(model), Transformer(config)
    pairs = []
    for one in asked:
        context = tokenizer.encode_prompt(one.context)
        whole = tokenizer.encode_prompt(one.context + one.continuation)
        scores = token_logprobs(transformer, params, np.asarray([whole], np.int32))
        pairs.append((one.answer[0], float(scores.logprobs[0, len(context) :].sum())))
    return pairs


def completions(model: pathlib.Path, asked: list[Asked]) -> list[str]:
    """The model's own greedy completions."""
    if not asked:
        return []
    sampler = Sampler(*load_hf(model), load_tokenizer(model))
    sampling = SamplingParams(max_tokens=asked[0].most, temperature=0.0, stop=asked[0].until)
    return [out.text for (out,) in sampler.generate([one.context for one in asked], sampling)]
