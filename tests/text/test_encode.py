from reasoning_jax.text import CharTokenizer, encode_example, load_tokenizer, train_bpe


def test_what_follows_the_prompt_is_trained():
    # "a" is 2, "b" is 3, end of sequence is 1
    ids, trained = encode_example(CharTokenizer("ab"), "ab", "ba")
    assert ids == [2, 3, 3, 2, 1]
    assert trained == [False, False, True, True, True]


def test_empty_solution_still_ends():
    assert encode_example(CharTokenizer("ab"), "a", "") == ([2, 1], [False, True])


def test_no_token_spans_the_boundary(tmp_path):
    tokenizer = train_bpe(["answer"] * 5, 300, tmp_path)
    assert len(tokenizer.encode("answer")) == 1
    ids, trained = encode_example(tokenizer, "ans", "wer")
    prompt_length = trained.index(True)
    assert tokenizer.decode(ids[:prompt_length]) == "ans"
    assert tokenizer.decode(ids[prompt_length:]) == "wer"
    assert ids[-1] == tokenizer.eos_id


def test_bos_counts_as_prompt(tmp_path):
    train_bpe(["answer"] * 5, 300, tmp_path)
    config = '{"eos_token": "<|endoftext|>", "bos_token": "<|im_start|>", "add_bos_token": true}'
    (tmp_path / "tokenizer_config.json").write_text(config)
    tokenizer = load_tokenizer(tmp_path)
    ids, trained = encode_example(tokenizer, "answer", "answer")
    word = tokenizer.encode("answer")[0]
    assert ids == [tokenizer.bos_id, word, word, tokenizer.eos_id]
    assert trained == [False, False, True, True]
