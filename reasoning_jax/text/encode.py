"""Training examples as ids."""

from reasoning_jax.text.tokenizer import Tokenizer


def encode_example(tokenizer: Tokenizer, prompt: str, solution: str) -> tuple[list[int], int]:
    """Ids of a prompt, its solution and end of sequence, and the number of prompt ids.

    Prompt and solution are encoded apart, as they are when sampling, so no token spans the
    boundary. Everything after the prompt is to be trained, end of sequence included.
    """
    prompt_ids = tokenizer.encode_prompt(prompt)
    return [*prompt_ids, *tokenizer.encode(solution), tokenizer.eos_id], len(prompt_ids)
