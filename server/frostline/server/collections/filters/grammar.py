r"""The language of filters: AIP-160, with extensions.

    category = "shoes" AND price < 80 OR on_sale = true      OR binds tighter: category AND (price OR on_sale)
    tags:red author.name = "Ann*" -archived = true           side by side is AND; - is NOT
    reviews:* AND NOT rating <= 2                            f:* says that f has a value
    "full name" = $name AND items."a.b" = 1                  keys that are no plain words are quoted

A sequence of conditions without AND between them means the same as with it (AIP-160 leaves the difference to fuzzy
searches, which filters are not). Values are quoted strings, bare words (`state = active`), numbers, true, false and
parameters. AND, OR, NOT and IN are upper-case and reserved where a field or a value begins.

A `*` at the end of a string after `=`, `!=` or `:` stands for any text, elsewhere it is refused; `\*` is a star. Other
escapes are `\" \' \\ \n \r \t`. The text of a parameter holds no wildcards and no escapes.

`$name` stands for the parameter of that name: a string, number, boolean, null or, after IN, a list. Parameters are
bound once the text is parsed, so no value of theirs can change what the filter says.

Extensions of AIP-160:

    f IN (a, b)   f IN $list            one of several values
    f = null      f != null             no value, a value
    startsWith(f, "x")                  the same as f = "x*"
    geo(f, lat, lon, radius_meters)     f is {"lat": ..., "lon": ...} in a circle
    timestamp("2024-01-01T00:00:00Z")   an instant, wherever a value may stand

Not taken from AIP-160: literals without a field (`shoes`), other functions, wildcards but at the end of a string.
What each of them means is said in `matching.py`.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from frostline.server.collections.filters.binding import Binder, refused
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.filters.slips import hint, is_operator, operator_hint
from frostline.server.errors import InvalidInput

MAX_TEXT_BYTES = 16 << 10
MAX_DEPTH = 64
MAX_CONDITIONS = 1000

_GRAMMAR = r"""
?start: expression
?expression: sequence | sequence ("AND" sequence)+ -> conjunction
?sequence: factor | factor factor+ -> conjunction
?factor: term | term ("OR" term)+ -> disjunction
?term: simple | ("NOT" | "-") simple -> negation
?simple: condition | LPAR expression RPAR -> composite

?condition: field COMPARATOR value -> comparison
          | field HAS "*" -> presence
          | field HAS value -> has
          | field IN LPAR value ("," value)* RPAR -> membership
          | field IN parameter -> membership
          | STARTS_WITH LPAR field "," value RPAR -> prefix
          | GEO LPAR field "," value "," value "," value RPAR -> geo
          | field -> bare

field: (NAME | STRING) ("." (KEY | STRING))*
?value: text | word | number | parameter | timestamp
text: STRING
word: NAME
number: NUMBER
parameter: PARAMETER
timestamp: TIMESTAMP LPAR (text | parameter) RPAR

COMPARATOR: "=" | "!=" | "<=" | "<" | ">=" | ">"
HAS: ":"
IN: "IN"
LPAR: "("
RPAR: ")"
STARTS_WITH.2: /startsWith(?=\s*\()/
GEO.2: /geo(?=\s*\()/
TIMESTAMP.2: /timestamp(?=\s*\()/
NAME: /(?!(?:AND|OR|NOT|IN)(?![\w-]))[^\W\d][\w-]*/
KEY: /\w[\w-]*/
STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
NUMBER: /-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.:-])/
PARAMETER: /\$[^\W\d]\w*/
%ignore /\s+/
"""

_LARK: Any = Lark(_GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)  # its types are half written

_CONDITIONS = {"COMPARATOR", "HAS", "IN", "STARTS_WITH", "GEO"}
_AFTER_A_FIELD = {"COMPARATOR", "HAS", "IN", "DOT", "COMMA", "RPAR"}
_BEFORE_A_VALUE = {"COMPARATOR", "HAS"}

_EXPECTED: Final = {
    "NAME": "a word",
    "KEY": "a key",
    "STRING": "a quoted string",
    "NUMBER": "a number",
    "PARAMETER": "a $parameter",
    "TIMESTAMP": "timestamp(...)",
    "STARTS_WITH": "startsWith(...)",
    "GEO": "geo(...)",
    "COMPARATOR": "a comparison like =",
    "HAS": "':'",
    "IN": "IN",
    "AND": "AND",
    "OR": "OR",
    "NOT": "NOT",
    "MINUS": "'-'",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "DOT": "'.'",
    "STAR": "'*'",
    "$END": "the end",
}
_NO_PARAMETERS: Mapping[str, object] = MappingProxyType({})


def parse(text: str, parameters: Mapping[str, object] = _NO_PARAMETERS) -> Expression | None:
    """Reads a filter.

    Args:
        text: at most 16 KiB of UTF-8, parentheses nested at most 64 deep, at most 1,000 conditions.
        parameters: JSON scalars, or lists of at most 10,000 of them, by name without `$`; each must be used.

    Returns:
        The expression; None for a text of nothing but white space, which everything matches.

    Raises:
        InvalidInput: says what cannot be read, where (positions count characters from 1), and what to write instead.
    Source: https://google.aip.dev/160 and its EBNF.
    """
    _check_size(text)
    binder = Binder(parameters)
    expression = binder.bind(_tree(text)) if text.strip() else None
    binder.check_all_used()
    return expression


def _check_size(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise refused(error.start, "no Unicode text; send valid UTF-8") from error
    if size > MAX_TEXT_BYTES:
        raise InvalidInput(
            f"filter has {size} bytes; at most {MAX_TEXT_BYTES} are taken; move long values and lists into parameters"
        )


def _tree(text: str) -> Tree[Token]:
    parser = _LARK.parse_interactive(text)
    try:
        tokens = list(_checked(parser.iter_parse()))
    except UnexpectedInput as error:
        raise _unreadable(text, error, error.pos_in_stream or 0) from error
    try:
        tree: Tree[Token] = parser.feed_eof(tokens[-1])
    except UnexpectedInput as error:
        raise _unreadable(text, error, len(text)) from error
    return tree


def _checked(tokens: Iterator[Token]) -> Iterator[Token]:
    """Counts as the parser goes, which itself takes any depth."""
    depth = conditions = 0
    last: Token | None = None
    last_is_value = False
    for token in tokens:
        position = token.start_pos
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        conditions += token.type in _CONDITIONS
        if depth > MAX_DEPTH:
            raise refused(position, f"parentheses are nested deeper than {MAX_DEPTH}; flatten the filter")
        if conditions > MAX_CONDITIONS:
            raise refused(position, f"more than {MAX_CONDITIONS} conditions; use IN with a list parameter")
        if last is not None and last.type == "NAME":
            _check_after_name(last, last_is_value, token)
        last_is_value = last is not None and last.type in _BEFORE_A_VALUE
        last = token
        yield token


def _check_after_name(name: Token, is_value: bool, token: Token) -> None:
    """Refuses words that are taken for operators and functions."""
    if not is_value and is_operator(name) and token.type not in _AFTER_A_FIELD:
        raise refused(name.start_pos, operator_hint(name))
    if token.type == "LPAR" and name.end_pos == token.start_pos:
        raise refused(
            name.start_pos,
            f"there is no function {name[:40]}; take startsWith(field, text), geo(field, lat, lon, radius_meters) "
            "or, as a value, timestamp(text), or put a space before the parenthesis",
        )


def _unreadable(text: str, error: UnexpectedInput, position: int) -> InvalidInput:
    found = repr(text[position : position + 20]) if position < len(text) else "the end"
    if advice := hint(text, position):
        return refused(position, f"{found} cannot stand here; {advice}")
    names: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        names = set(error.allowed)
    elif isinstance(error, UnexpectedToken):
        names = set(error.accepts or error.expected)
    expected = ", ".join(words for name, words in _EXPECTED.items() if name in names)
    quoting = "; quote text that is no plain word or number" if "NUMBER" in names else ""
    return refused(position, f"{found} cannot stand here; expected {expected}{quoting}")
