"""From a parsed filter to an expression: literals are read, parameters bound, and what means nothing refused."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from lark import Token, Tree
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

from frostline.server.collections.filters.expression import (
    And,
    Comparison,
    Expression,
    GeoRadius,
    Has,
    In,
    Not,
    Operator,
    Or,
    Path,
    Prefix,
    Scalar,
)
from frostline.server.collections.filters.geography import is_degrees
from frostline.server.collections.filters.instants import read_instant
from frostline.server.collections.filters.slips import constant_hint
from frostline.server.errors import InvalidInput

MAX_LIST = 10_000
MAX_INTEGER_BITS = 1024
"""As large as a double gets; Python needs time for the digits of larger ones that grows with their square."""

_ESCAPES: Final = {'"': '"', "'": "'", "\\": "\\", "*": "*", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
_ORDERS: Final = {Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL}


@dataclass(frozen=True)
class _Value:
    """A value as written.

    Attributes:
        value: a tuple where a parameter holds a list.
        token: where it stands.
        wildcard: whether a star at the end of the string stands for any text; `value` is without it.
    """

    value: Scalar | tuple[Scalar, ...] | None
    token: Token
    wildcard: bool = False


_Children: TypeAlias = list[Any]


def refused(position: int | None, message: str) -> InvalidInput:
    """The error for a filter that cannot be taken.

    Args:
        position: of a character, from 0; None where it is not known.
        message: what is wrong and what to do.
    """
    where = "" if position is None else f" at position {position + 1}"
    return InvalidInput(f"filter{where}: {message}")


class Binder(Transformer_NonRecursive[Token, Any]):
    """Makes the expression of one parsed filter; methods are named like the rules of the grammar.

    Args:
        parameters: values by name.

    Raises:
        InvalidInput: a parameter is no JSON scalar or list of them, or too long.
    """

    def __init__(self, parameters: Mapping[str, object]) -> None:
        super().__init__(visit_tokens=False)
        self._parameters = {name: _parameter(name, value) for name, value in parameters.items()}
        self._unused = set(parameters)

    def bind(self, tree: Tree[Token]) -> Expression:
        """Makes the expression.

        Raises:
            InvalidInput: a value cannot be compared so, or a parameter is missing.
        """
        try:
            expression: Expression = self.transform(tree)
            return expression
        except VisitError as error:
            raise error.orig_exc from None

    def check_all_used(self) -> None:
        """Refuses parameters that no condition names: most likely one is misspelt.

        Raises:
            InvalidInput: names them.
        """
        if self._unused:
            names = ", ".join(f"${name[:40]}" for name in sorted(self._unused)[:5])
            raise InvalidInput(f"filter does not use the parameters {names}; name them in the filter or leave them out")

    def conjunction(self, children: _Children) -> Expression:
        """X AND y, or x y."""
        return And(tuple(part for each in children for part in (each.operands if isinstance(each, And) else (each,))))

    def disjunction(self, children: _Children) -> Expression:
        """X OR y."""
        return Or(tuple(part for each in children for part in (each.operands if isinstance(each, Or) else (each,))))

    def negation(self, children: _Children) -> Expression:
        """NOT x, or -x."""
        return Not(children[0])

    def composite(self, children: _Children) -> Expression:
        """( x )."""
        inner: Expression = children[1]
        return inner

    def comparison(self, children: _Children) -> Expression:
        """Field, comparator, value."""
        (path, _), token, given = children
        operator = Operator(str(token))
        value = _one(given, f"use IN {given.token}")
        if value is None and operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            return Not(Has(path)) if operator is Operator.EQUAL else Has(path)
        if operator in _ORDERS and (value is None or isinstance(value, bool)):
            raise refused(token.start_pos, f"{given.token} has no order; compare with = or !=")
        assert value is not None  # every operator is one or the other
        if not given.wildcard:
            return Comparison(path, operator, value)
        prefix = Prefix(path, str(value))
        if operator is Operator.NOT_EQUAL:
            return And((Has(path), Not(prefix)))
        if operator is Operator.EQUAL:
            return prefix
        raise _wildcard(given)

    def presence(self, children: _Children) -> Expression:
        """Field:*."""
        return Has(children[0][0])

    def has(self, children: _Children) -> Expression:
        """Field:value; for a string, an object's key or an equal value."""
        (path, _), _, given = children
        value = _one(given, f"use IN {given.token}")
        if value is None:
            raise refused(given.token.start_pos, "':' with null; write field = null, or field:* for its contrary")
        if given.wildcard:
            return Prefix(path, str(value))
        equal = Comparison(path, Operator.EQUAL, value)
        return Or((equal, Has((*path, value)))) if isinstance(value, str) else equal

    def membership(self, children: _Children) -> Expression:
        """Field IN (values), or IN $list."""
        (path, _), _, *rest = children
        values = [each for each in rest if isinstance(each, _Value)]
        if len(rest) == 1:  # no parentheses, so a parameter
            if not isinstance(values[0].value, tuple):
                raise refused(values[0].token.start_pos, f"{values[0].token} is no list; write IN ({values[0].token})")
            return In(path, values[0].value)
        return In(path, tuple(_plain(each, "IN holds null; add OR field = null") for each in values))

    def prefix(self, children: _Children) -> Expression:
        """How a string begins."""
        _, _, (path, _), given, _ = children
        value = _plain(given, "startsWith takes a string")
        if not isinstance(value, str):
            raise refused(given.token.start_pos, f"startsWith takes a string, not {given.token}; quote it")
        return Prefix(path, value)

    def geo(self, children: _Children) -> Expression:
        """A circle on the earth."""
        _, _, (path, _), latitude, longitude, radius, _ = children
        for given, limit, what in ((latitude, 90, "latitude"), (longitude, 180, "longitude")):
            if not is_degrees(given.value, limit):
                raise refused(given.token.start_pos, f"{what} {given.token} must be a number from -{limit} to {limit}")
        # Half the way round the earth is 2e7 metres; whatever is farther reaches everything.
        if isinstance(radius.value, bool) or not isinstance(radius.value, (int, float)) or not 0 <= radius.value <= 1e9:
            raise refused(radius.token.start_pos, f"radius {radius.token} must be a number of metres from 0 to 1e9")
        return GeoRadius(path, float(latitude.value), float(longitude.value), float(radius.value))

    def bare(self, children: _Children) -> Expression:
        """A word without a comparison."""
        _, token = children[0]
        raise refused(
            token.start_pos,
            f"{token[:40]} stands alone; write a condition like field = {token[:40]} or {token[:40]}:* (functions are "
            "startsWith, geo and, as a value, timestamp); text is searched for by a query, not by a filter",
        )

    def field(self, children: _Children) -> tuple[Path, Token]:
        """Keys joined by dots."""
        return tuple(_unquoted(part)[0] if part.type == "STRING" else str(part) for part in children), children[0]

    def text(self, children: _Children) -> _Value:
        """A quoted string."""
        token = children[0]
        value, stars = _unquoted(token)
        if stars and stars != [len(value) - 1]:
            raise refused(token.start_pos, f"{token[:40]} has a star that is not at its end; write \\* for a star")
        return _Value(value[:-1] if stars else value, token, wildcard=bool(stars))

    def word(self, children: _Children) -> _Value:
        """A bare word."""
        token = children[0]
        if advice := constant_hint(token):
            raise refused(token.start_pos, f"{token} is no constant; {advice}")
        return _Value(_WORDS.get(token, str(token)), token)

    def number(self, children: _Children) -> _Value:
        """A number; without a point or exponent a whole one."""
        token = children[0]
        whole = token.lstrip("-").isdigit()
        if len(token) > 400 or not math.isfinite(float(token)):
            raise refused(token.start_pos, f"number {token[:40]} is out of a double's range")
        return _Value(int(token) if whole else float(token), token)

    def parameter(self, children: _Children) -> _Value:
        """$name."""
        token = children[0]
        name = token[1:]
        if name not in self._parameters:
            raise refused(token.start_pos, f"parameter {token[:40]} has no value; send one with the filter")
        self._unused.discard(name)
        return _Value(self._parameters[name], token)

    def timestamp(self, children: _Children) -> _Value:
        """An instant."""
        given: _Value = children[2]
        instant = read_instant(given.value) if isinstance(given.value, str) and not given.wildcard else None
        if instant is None:
            raise refused(
                given.token.start_pos,
                f"{given.token[:40]} is no date and time of RFC 3339; write it like 2024-01-01T00:00:00Z",
            )
        return _Value(instant, given.token)


def _one(given: _Value, instead: str) -> Scalar | None:
    if isinstance(given.value, tuple):
        raise refused(given.token.start_pos, f"{given.token} is a list; {instead}")
    return given.value


def _plain(given: _Value, null: str) -> Scalar:
    if given.wildcard:
        raise _wildcard(given)
    value = _one(given, "give its values one by one")
    if value is None:
        raise refused(given.token.start_pos, null)
    return value


def _wildcard(given: _Value) -> InvalidInput:
    return refused(given.token.start_pos, f"{given.token[:40]} has a wildcard, which only =, != and : take; write \\*")


def _unquoted(token: Token) -> tuple[str, list[int]]:
    """The text of a quoted string, and where in it unescaped stars are."""
    characters: list[str] = []
    stars: list[int] = []
    escaped = False
    for place, character in enumerate(token[1:-1], 1):
        if escaped and character not in _ESCAPES:
            raise refused((token.start_pos or 0) + place - 1, f"no escape \\{character}; write \\\\ for \\")
        if escaped or character != "\\":
            if character == "*" and not escaped:
                stars.append(len(characters))
            characters.append(_ESCAPES[character] if escaped else character)
        escaped = not escaped and character == "\\"
    return "".join(characters), stars


def _parameter(name: str, value: object) -> Scalar | tuple[Scalar, ...] | None:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        values = cast("Sequence[object]", value)
        if len(values) > MAX_LIST:
            raise InvalidInput(f"parameter ${name[:40]} lists {len(values)} values; at most {MAX_LIST} are taken")
        return tuple(_scalar(name, each) for each in values)
    return None if value is None else _scalar(name, value)


def _scalar(name: str, value: object) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"parameter ${name[:40]} holds {value}; numbers must be finite")
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise InvalidInput(f"parameter ${name[:40]} holds a number out of a double's range")
    if not isinstance(value, (str, int, float, bool)):
        raise InvalidInput(
            f"parameter ${name[:40]} holds {type(value).__name__}; take a string, number, boolean, null, or a list of "
            "strings, numbers and booleans"
        )
    return value
