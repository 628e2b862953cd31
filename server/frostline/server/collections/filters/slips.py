"""What other languages write, and what a filter takes instead: hints for refusals."""

import re
from typing import Final

_SYMBOLS: Final = (
    ("==", "write = for equal"),
    ("<>", "write != for not equal"),
    ("=>", "write >= for at least"),
    ("=<", "write <= for at most"),
    ("=!", "write != for not equal"),
    ("&", "write AND"),
    ("|", "write OR"),
    ("!", "write NOT"),
    ("[", "write a list in parentheses: field IN (a, b)"),
    ("{", "a filter is no JSON; write a condition like field = value"),
    ("~", 'there are no regular expressions; write field = "text*" for how a text begins'),
)
_CURLY_QUOTES: Final = "\u2018\u2019\u201a\u201c\u201d\u201e"
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""", re.DOTALL)
_LOWER_CASE: Final = re.compile(r"(?<![\w.$-])(and|or|not|in)\s*$", re.IGNORECASE)
_CONSTANTS: Final = {
    "True": "true",
    "TRUE": "true",
    "False": "false",
    "FALSE": "false",
    "None": "null",
    "NULL": "null",
    "Null": "null",
}


def hint(text: str, position: int) -> str:
    """What to write where a filter cannot be read; empty where it resembles nothing known.

    Args:
        text: the filter.
        position: of the first character that cannot stand where it is, from 0.
    """
    for symbol, advice in _SYMBOLS:
        if text.startswith(symbol, position) or (position and text.startswith(symbol, position - len(symbol) + 1)):
            return advice
    found = text[position : position + 1]
    if found and found in _CURLY_QUOTES:
        return "write straight quotes, \" or '"
    if found and found in "\"'" and not _QUOTED.match(text, position):
        return f"the quote is not closed; write \\{found} for one inside a text"
    before = _LOWER_CASE.search(text[:position])
    if before and not before[1].isupper():
        return operator_hint(before[1])
    return ""


def is_operator(word: str) -> bool:
    """Whether a word is AND, OR, NOT or IN but for its case."""
    return _LOWER_CASE.fullmatch(word) is not None


def operator_hint(word: str) -> str:
    """What to write for an operator that is not upper-case."""
    return f"write {word.upper()} for {word}: operators are upper-case"


def constant_hint(word: str) -> str:
    """What to write for a bare word that resembles a constant and is none, like True; empty for other words."""
    meant = _CONSTANTS.get(word)
    return f'write {meant}, or "{word}" for the text' if meant else ""
