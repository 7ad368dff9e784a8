"""Which fields an expression can ask for, once the parameters of an installation are known.

`as_int16 if type == 'int16' else as_int32` needs one of the two, and a device whose map ends behind
the first would refuse to give the second. Only what can never be asked for is left out.
"""

import ast

from edge_agent.drivers.expressions import (
    ExpressionError,
    Names,
    NoValue,
    compile_expression,
    parsed,
)


def needed(source: str, constants: Names) -> set[str]:
    """The names in `source`, without those that `constants` rule out."""
    return _names(parsed(source), constants)


def never(source: str, constants: Names) -> bool:
    """Whether `source` is false whatever the device says."""
    return _settled(parsed(source), constants) is False


def _names(node: ast.AST, constants: Names) -> set[str]:
    match node:
        case ast.Name(id=name):
            return {name}
        case ast.IfExp(test=test, body=body, orelse=orelse):
            match _settled(test, constants):
                case True:
                    return _names(body, constants)
                case False:
                    return _names(orelse, constants)
        case ast.BoolOp(op=op, values=values):
            ends_it = isinstance(op, ast.Or)
            found: set[str] = set()
            for value in values:
                found |= _names(value, constants)
                if _settled(value, constants) is ends_it:
                    break
            return found
    return {name for child in ast.iter_child_nodes(node) for name in _names(child, constants)}


def _settled(node: ast.expr, constants: Names) -> bool | None:
    """True or False when the constants alone decide, None when the device has a say."""
    match node:
        case ast.BoolOp(op=op, values=values):
            ends_it = isinstance(op, ast.Or)
            sides = [_settled(value, constants) for value in values]
            if ends_it in sides:
                return ends_it
            return None if None in sides else not ends_it
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _settled(operand, constants)
            return None if inner is None else not inner
    try:
        return bool(compile_expression(ast.unparse(node), set(constants))(constants))
    except (ExpressionError, NoValue, KeyError):
        return None
