from reasoning_jax.text import CharTokenizer, encode_example, load_tokenizer, train_bpe


def test_ids_and_prompt_length():
    # "a" is 2, "b" is 3, end of sequence is 1
    assert encode_example(CharTokenizer("ab"), "ab", "ba") == ([2, 3, 3, 2, 1], 2)


def test_empty_solution_still_ends():
    assert encode_example(CharTokenizer("ab"), "a", "") == ([2, 1], 1)


def test_no_token_spans_the_boundary(tmp_path):
    tokenizer = train_bpe(["answer"] * 5, 300, tmp_path)
    assert len(tokenizer.encode("answer")) == 1
    ids, prompt_length = encode_example(tokenizer, "ans", "wer")
    assert tokenizer.decode(ids[:prompt_length]) == "ans"
    assert tokenizer.decode(ids[prompt_length:]) == "wer"
    assert ids[-1] == tokenizer.eos_id


def test_bos_counts_as_prompt(tmp_path):
    train_bpe(["answer"] * 5, 300, tmp_path)
    config = '{"eos_token": "<|endoftext|>", "bos_token": "<|im_start|>", "add_bos_token": true}'
    (tmp_path / "tokenizer_config.json").write_text(config)
    tokenizer = load_tokenizer(tmp_path)
    ids, prompt_length = encode_example(tokenizer, "answer", "answer")
    word = tokenizer.encode("answer")[0]
    assert ids == [tokenizer.bos_id, word, word, tokenizer.eos_id]
    assert prompt_length == 2
