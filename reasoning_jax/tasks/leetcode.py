"""LeetCode problems with a ``class Solution`` to complete, as rllm has them.

The site gives a program its usual imports, and the classes of linked lists and trees; the tests
build and compare those by helper functions.
"""

from collections.abc import Mapping
from typing import Any

from reasoning_jax.tasks.file_task import Item
from reasoning_jax.tasks.programs import program_item, program_set
from reasoning_jax.tasks.records import raw_text, text

NODES = """
class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next


class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val, self.left, self.right = val, left, right
"""

# Modules win over the functions of their name, and builtins such as pow over all.
PREAMBLE = f"""
from bisect import *
from collections import *
from copy import *
from datetime import *
from functools import *
from heapq import *
from itertools import *
from math import *
from operator import *
from random import *
from re import *
from statistics import *
from string import *
from typing import *
import bisect, collections, copy, datetime, functools, heapq, itertools, json, math, operator
import random, re, statistics, string, sys
from builtins import *
{NODES}"""

HELPERS = f"""
import collections
{NODES}

def list_node(values):
    head = None
    for value in reversed(values):
        head = ListNode(value, head)
    return head


def is_same_list(one, other):
    while one is not None and other is not None:
        if one.val != other.val:
            return False
        one, other = one.next, other.next
    return one is None and other is None


def tree_node(values):
    if not values:
        return None
    rest = iter(values)
    root = TreeNode(next(rest))
    parents = collections.deque([root])
    for value in rest:
        parent = parents.popleft()
        for side, child in (("left", value), ("right", next(rest, None))):
            if child is not None:
                setattr(parent, side, TreeNode(child))
                parents.append(getattr(parent, side))
    return root


def is_same_tree(one, other):
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if one is None or other is None:
            if one is not other:
                return False
        elif one.val != other.val:
            return False
        else:
            pairs += [(one.left, other.left), (one.right, other.right)]
    return True
"""


def _parse(record: Mapping[str, Any]) -> Item:
    tests = record.get("tests")
    if not isinstance(tests, dict):
        raise ValueError(f"expected an object 'tests', got {tests!r:.80}")
    test = {
        "kind": "assert",
        "source": text(tests, "functional"),
        "names": ("Solution",),
        "setup": HELPERS,
    }
    reference = raw_text(record, "solutions") if record.get("solutions") else None
    return program_item(text(record, "problem"), [test], preamble=PREAMBLE, reference=reference)


leetcode = program_set(
    "leetcode",
    {
        "train": ("leetcode_train.json", "train.json"),
        "test": ("leetcode.json", "leetcode_test.json", "test.json"),
    },
    _parse,
    prompt="{question}\n",
)
