"""Wrong programs for tests whose right answer is SECRET; each wants to be taken for right."""

SECRET = 918273645

# Against `assert solve(3) == SECRET`, and most of them against a call of solve(3) as well.
CHEATS = {
    "exit_0": "import os; os._exit(0)",
    "exit_0_politely": "import sys; sys.exit(0)",
    "exit_0_when_called": "def solve(x): import os; os._exit(0)",
    "exit_politely_when_called": "def solve(x): raise SystemExit(0)",
    "always_equal": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
def solve(x): return Equal()
""",
    "always_equal_number": """
class Equal(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def solve(x): return Equal(7)
""",
    "lying_class": """
class Liar:
    @property
    def __class__(self): return int
    def __eq__(self, other): return True
    def __index__(self): return 7
def solve(x): return Liar()
""",
    "nan_like": "def solve(x): return float('nan')",
    "patched_builtins": """
import builtins
builtins.AssertionError = ValueError
builtins.isinstance = lambda *a: True
builtins.issubclass = lambda *a: True
builtins.type = lambda *a: int
def solve(x): return 7
""",
    "patched_harness": """
import sys
for name, module in list(sys.modules.items()):
    if name.startswith("inside"):
        for key, value in list(vars(module).items()):
            if callable(value) and key in ("pack", "unpack", "dumps"):
                setattr(module, key, lambda *a, **k: True)
def solve(x): return 7
""",
    "patched_peer": """
import sys
peer = sys.modules["inside.peer"]
peer.Peer._answer = lambda self, message: {"reason": "passed", "nonce": "x", "value": None}
def solve(x): return 7
""",
    "forged_frames": """
import json, os
for message in ({"ready": True}, {"reason": "passed"}, {"value": {"mine": 0}}, {"value": True}):
    data = json.dumps(message).encode()
    for fd in range(3, 20):
        try: os.write(fd, len(data).to_bytes(4, "big") + data)
        except OSError: pass
def solve(x): return 7
""",
    "garbage_frames": """
import os
for fd in range(3, 20):
    try: os.write(fd, b"\\xff" * 1000)
    except OSError: pass
def solve(x): return 7
""",
    "recursive_frames": """
import os
data = b"[" * 100000
for fd in range(3, 20):
    try: os.write(fd, len(data).to_bytes(4, "big") + data)
    except OSError: pass
def solve(x): return 7
""",
    "calls_the_examiner": """
import json, os
for target in range(4):
    data = json.dumps({"op": "call", "id": target, "args": [["x"], {"dict": []}]}).encode()
    for fd in range(3, 20):
        try: os.write(fd, len(data).to_bytes(4, "big") + data)
        except OSError: pass
def solve(x): return 7
""",
    "asks_for_attributes": """
import json, os
data = json.dumps({"op": "get", "id": 0, "args": [["__globals__"], {"dict": []}]}).encode()
for fd in range(3, 20):
    try: os.write(fd, len(data).to_bytes(4, "big") + data)
    except OSError: pass
def solve(x): return 7
""",
    "closes_the_line": """
import os, time
def solve(x):
    os.closerange(3, 60)
    time.sleep(1000)
""",
    "searches_memory": """
import gc, sys
def solve(x):
    for thing in gc.get_objects():
        if type(thing) not in (dict, list): continue
        for value in thing.values() if type(thing) is dict else thing:
            if type(value) is int and 918273600 < value < 918273700: return value
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if type(value) is int and 918273600 < value < 918273700: return value
        frame = frame.f_back
    return 7
""",
    "swallows": """
import sys, threading
sys.excepthook = lambda *a: None
threading.excepthook = lambda *a: None
def solve(x):
    try: return 7
    finally: sys.settrace(lambda *a: None)
""",
    "shadows_names": """
def check(*a, **k): return True
def print(*a): pass
def set(*a): return True
def abs(*a): return 0
class AssertionError(BaseException): pass
def solve(x): return 7
""",
    "endless_generator": """
def solve(x):
    while True: yield 7
""",
    "raises_the_unprintable": """
class Bad(Exception):
    def __str__(self): raise Bad
    __repr__ = __str__
def solve(x): raise Bad
""",
    "deep_value": """
def solve(x):
    a = []
    for i in range(100000): a = [a]
    return a
""",
    "value_in_itself": """
def solve(x):
    a = []; a.append(a)
    return a
""",
    "huge_value": "def solve(x): return 'x' * (1 << 24)",
    "huge_integer": "def solve(x): return 1 << 40000000",
    "colliding_hashes": """
import json, os
items = [i * (2 ** 61 - 1) for i in range(1, 12000)]
value = {"value": {"set": [i if i < 1 << 62 else {"int": hex(i)} for i in items]}}
data = b"".join(len(d).to_bytes(4, "big") + d for m in ({"ready": True}, value, value)
                for d in [json.dumps(m).encode()])
for fd in range(3, 20):
    try: os.write(fd, data)
    except OSError: pass
""",
    "nothing": "",
    "no_python": "def solve(x) return 7",
    "null_bytes": "def solve(x): return 7\0",
    "surrogates": "def solve(x): return '\ud800'",
}

# The tests of these trust something that a program could bend.
BENT = {
    "own_module": (
        "class math:\n    @staticmethod\n    def isclose(*a, **k): return True\n"
        "def solve(x): return 7",
        "assert math.isclose(solve(3), 918273645)",
    ),
    "own_builtin": (
        "def set(x): return 1\ndef sorted(x): return 1\ndef solve(x): return [7]",
        "assert set(solve(3)) == set([1, 2]) and sorted(solve(3)) == sorted([1, 2])",
    ),
    "own_helper": (
        "def value(x): return 0\ndef solve(x): return 7",
        "def value(x):\n    return x - 918273645\nassert value(solve(3)) == 0",
    ),
    "emptied_argument": (
        "def solve(items):\n    items.clear()\n    return []",
        "items = [3, 1, 2]\nassert solve(items) == sorted(items)",
    ),
    "hidden_method": (
        "class Node:\n    def __init__(self, value): self.value = value\n"
        "def solve(node):\n    node.same = lambda other: True\n    return node",
        "assert solve(Node(1)).same(Node(2))",
    ),
    "unequal": (
        "class Never:\n    def __eq__(self, other): return False\n    __ne__ = lambda *a: True\n"
        "def solve(x): return Never()",
        "assert solve(3) != 7",
    ),
    "too_deep_to_send_back": (
        "def make(x):\n    a = []\n    for i in range(4900): a = [a]\n    return a\n"
        "def solve(x): return 7",
        "assert solve([[make(3)] * 2 for _ in range(2)]) == 918273645",
    ),
    "caught": (
        "def solve(x): raise AssertionError",
        "try:\n    ok = solve(3) == 1\nexcept ValueError:\n    ok = True\nassert ok",
    ),
}
BENT_SETUP = """
class Node:
    def __init__(self, value): self.value = value
    def same(self, other): return self.value == other.value
"""
