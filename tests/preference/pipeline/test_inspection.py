from reasoning_jax.preference.pipeline import inspect_corrections


def passes(place, trace):
    return {"r": True, "w": False}.get(trace[0])


def test_open_errors_alone_are_written_anew_and_rounds_are_bounded():
    asked = []
    answers = {1: {1: ["w2", "r1"], 2: ["?"], 3: ["w5"]}, 2: {2: ["r2"], 3: ["w6"]}}

    def rewrite(places, failed, number):
        asked.append((places, failed, number))
        return [answers[number][place] for place in places]

    written = [["r0", "w0"], ["w1"], [], ["w3", "w4"]]
    found = inspect_corrections(written, passes, rewrite, most=1, rounds=2)
    assert found == [["r0"], ["r1"], ["r2"], []]
    assert asked == [([1, 2, 3], ["w1", "", "w3"], 1), ([2, 3], ["?", "w5"], 2)]


def test_the_same_correction_twice_is_one_and_no_rounds_drop_what_fails():
    def rewrite(places, failed, number):
        return [["r9"]]

    written = [["r0", "r0", "w0"]]
    assert inspect_corrections(written, passes, rewrite, 2, 1) == [["r0", "r0", "r9"]]
    assert inspect_corrections(written, passes, rewrite, 2, 0) == [["r0", "r0"]]
    assert inspect_corrections([], passes, rewrite, 1, 3) == []
