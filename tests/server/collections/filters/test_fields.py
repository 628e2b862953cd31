import pytest

from frostline.server.collections.fields import FieldKind, IndexedField, check_fields
from frostline.server.errors import InvalidInput


@pytest.mark.parametrize("path", ["a", "a.b", "1.2.3.4.5.6.7.8", "ä b.c-d", "a" * 256])
def test_takes_paths(path):
    assert IndexedField(path=path, kind=FieldKind.KEYWORD).parts == tuple(path.split("."))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "empty part"),
        (".a", "empty part"),
        ("a..b", "empty part"),
        ("1.2.3.4.5.6.7.8.9", "9 parts; take at most 8"),
        ("a" * 257, "257 bytes; take at most 256"),
        ("ä" * 129, "258 bytes"),
        ("a\n", "unprintable"),
        ("a\ud800", "unprintable"),
    ],
)
def test_refuses_other_paths_in_a_short_message(path, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        IndexedField(path=path, kind=FieldKind.KEYWORD)
    assert len(str(refused.value)) < 300


def test_refuses_too_many_fields_and_one_path_twice():
    fields = [IndexedField(path=f"f{place}", kind=FieldKind.INTEGER) for place in range(65)]
    check_fields(fields[:64])
    with pytest.raises(InvalidInput, match="65 fields are declared; take at most 64"):
        check_fields(fields)
    with pytest.raises(InvalidInput, match="'f0' is declared twice"):
        check_fields([fields[0], IndexedField(path="f0", kind=FieldKind.KEYWORD)])
