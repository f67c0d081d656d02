"""What sampling remembers from step to step."""

import json

from reasoning_jax.stages.rl.memory import Memory
from reasoning_jax.types import Completion, ToolCall, Verdict


def answers(*calls_and_right):
    return [
        (Completion("", (), (), "stop", calls=(ToolCall("", ""),) * calls), Verdict(right, ""))
        for calls, right in calls_and_right
    ]


def test_the_fewest_calls_of_right_answers_are_kept_over_epochs():
    memory = Memory({})
    memory.see_calls("a", answers((3, True), (1, False), (2, True)))
    memory.see_calls("b", answers((0, False), (1, None)))
    assert memory.fewest_calls == {"a": 2}
    memory = Memory(json.loads(json.dumps(memory.state())))
    memory.see_calls("a", answers((4, True)))
    assert memory.fewest_calls == {"a": 2}
    memory.see_calls("a", answers((0, True)))
    assert memory.fewest_calls == {"a": 0}


def test_what_waits_comes_back_in_order():
    memory = Memory({"waiting": [3, 1]})
    memory.waiting.append(2)
    state = memory.state()
    memory.waiting.clear()
    assert Memory(state).waiting == [3, 1, 2]
