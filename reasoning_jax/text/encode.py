"""Training examples as ids."""

from reasoning_jax.text.tokenizer import Tokenizer


def encode_example(
    tokenizer: Tokenizer, prompt: str, solution: str
) -> tuple[list[int], list[bool]]:
    """Ids of a prompt, its solution and end of sequence, and for each whether it is trained.

    Prompt and solution are encoded apart, as they are when sampling, so no token spans the
    boundary. Everything after the prompt is trained, end of sequence included.
    """
    prompt_ids = tokenizer.encode_prompt(prompt)
    answer_ids = [*tokenizer.encode(solution), tokenizer.eos_id]
    return prompt_ids + answer_ids, [False] * len(prompt_ids) + [True] * len(answer_ids)
