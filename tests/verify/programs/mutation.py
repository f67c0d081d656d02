"""Small changes to a function's source, one at a time, as tests ought to notice them."""

import ast
import copy
from collections.abc import Iterator

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATIONS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}


def stub(source: str, function: str) -> str:
    """The program whose function does nothing."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def mutants(source: str, function: str) -> Iterator[str]:
    """Programs with one comparison, operator, boolean or number of the function changed."""
    tree = ast.parse(source)
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function)
    for place, node in enumerate(ast.walk(body)):
        for change in _changes(node):
            other = copy.deepcopy(tree)
            target = next(
                n for n in other.body if isinstance(n, ast.FunctionDef) and n.name == function
            )
            change(list(ast.walk(target))[place])
            yield ast.unparse(other)


def _changes(node: ast.AST) -> Iterator:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield lambda n: setattr(n, "ops", [_COMPARISONS[type(operator)]()])
        case ast.BinOp(op=operator) if type(operator) in _OPERATIONS:
            yield lambda n: setattr(n, "op", _OPERATIONS[type(operator)]())
        case ast.BoolOp(op=operator):
            swapped = ast.Or if isinstance(operator, ast.And) else ast.And
            yield lambda n: setattr(n, "op", swapped())
        case ast.Constant(value=bool(value)):
            yield lambda n: setattr(n, "value", not value)
        case ast.Constant(value=int(value)):
            yield lambda n: setattr(n, "value", value + 1)
        case ast.Return(value=ast.expr()):
            yield lambda n: setattr(n, "value", ast.Constant(None))
