import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collecting import config, vector_field
from frostline.server.collections import validation
from frostline.server.collections.config import Metric
from frostline.server.collections.fields import FieldKind, IndexedField
from frostline.server.errors import InvalidInput


@pytest.mark.parametrize("name", ["a", "0", "notes", "a-b_c", "a" * 63])
def test_takes_names(name):
    validation.check_config(config(name))


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "_a", ".a", "a" * 64, "a/b", "..", "a b", "ä", "a\n", "a\0", "../a", "x" * 100_000]
)
def test_refuses_names_that_could_leave_the_folder_or_be_mistaken(name):
    with pytest.raises(InvalidInput, match="name") as refused:
        validation.check_config(config(name))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("dimensions", [0, -1, 65_537, 2**40])
def test_refuses_dimensions_out_of_range(dimensions):
    with pytest.raises(InvalidInput, match=f"dimensions {dimensions} is out of range"):
        validation.check_config(config(dimensions=dimensions))


@pytest.mark.parametrize("name", ["", "A", "a b", "a" * 64, "ä", "a.b", "x" * 100_000])
def test_refuses_names_of_vectors(name):
    with pytest.raises(InvalidInput, match="vector name") as refused:
        validation.check_config(config(vectors=(vector_field("fine"), vector_field(name))))
    assert len(str(refused.value)) < 500


def test_refuses_two_vectors_of_a_name():
    with pytest.raises(InvalidInput, match="'a' is named 2 times"):
        validation.check_config(config(vectors=(vector_field("a"), vector_field("b"), vector_field("a"))))


def test_takes_up_to_16_vectors():
    vectors = tuple(vector_field(f"v{number}") for number in range(17))
    validation.check_config(config(vectors=vectors[:16]))
    with pytest.raises(InvalidInput, match="17 vectors are named; take 1 to 16"):
        validation.check_config(config().model_copy(update={"vectors": vectors}))


def test_texts_of_a_configuration_have_a_length():
    (vector,) = config().vectors
    fits = config(vectors=(vector.model_copy(update={"document_prompt": "ä" * 2048, "query_prompt": "q" * 4096}),))
    validation.check_config(fits.model_copy(update={"description": "d" * 4096}))
    with pytest.raises(InvalidInput, match=r"the description, 'dd.*', has 4097 bytes; at most 4096 are taken, keep"):
        validation.check_config(fits.model_copy(update={"description": "d" * 4097}))
    for prompt in ("document_prompt", "query_prompt"):
        long = vector.model_copy(update={prompt: "ä" * 2049})
        with pytest.raises(InvalidInput, match=rf"{prompt} of vector 'default', 'ä.*', has 4098 bytes; .* shorten it"):
            validation.changed_config(config(), {"vectors": (long,)})


@pytest.mark.parametrize("min_recall", [0, -1, 1.01, float("nan")])
def test_refuses_a_recall_that_cannot_be(min_recall):
    with pytest.raises(InvalidInput, match=r"min_recall .* is out of range"):
        validation.check_config(config().model_copy(update={"min_recall": min_recall}))


def test_refuses_a_field_declared_twice():
    fields = tuple(IndexedField(path="a", kind=kind) for kind in (FieldKind.KEYWORD, FieldKind.INTEGER))
    with pytest.raises(InvalidInput, match="'a' is declared twice"):
        validation.check_config(config(fields=fields))


def test_changes_a_configuration():
    changed = validation.changed_config(config(), {"description": "new", "min_recall": 0.9, "id": "other"})
    assert (changed.description, changed.min_recall, changed.id) == ("new", 0.9, "other")
    prompted = config().vectors[0].model_copy(update={"query_prompt": "query: "})
    assert validation.changed_config(config(), {"vectors": (prompted,)}).vectors[0].query_prompt == "query: "


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"min_recall": 2}, "min_recall cannot be changed to '2'"),
        ({"id": "A"}, "collection name 'A'"),
        ({"colour": "red"}, "colour cannot be changed to 'red'"),
        ({"description": "x" * 10, "index": "x" * 100_000}, "index cannot be changed"),
        ({"vectors": (vector_field("other"),)}, "names, spaces and metrics"),
        ({"vectors": (vector_field("default", 5),)}, "names, spaces and metrics"),
        ({"vectors": (vector_field("default", metric=Metric.COSINE),)}, "names, spaces and metrics"),
        ({"vectors": (vector_field("default"), vector_field("more"))}, "names, spaces and metrics"),
        ({"vectors": ()}, "vectors cannot be changed"),
    ],
)
def test_refuses_changes_that_what_is_stored_contradicts(changes, says):
    with pytest.raises(InvalidInput, match=says) as refused:
        validation.changed_config(config(), changes)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("record_id", ["a", "a" * 512, "ä" * 256, "with\0zero", "/../", " "])
def test_takes_ids_of_1_to_512_bytes(record_id):
    validation.check_id(record_id)


@pytest.mark.parametrize("record_id", ["", "a" * 513, "ä" * 257, "x" * 1_000_000])
def test_refuses_other_ids_in_a_short_message(record_id):
    with pytest.raises(InvalidInput, match="take 1 to 512") as refused:
        validation.check_id(record_id)
    assert len(str(refused.value)) < 500


def test_refuses_ids_that_are_no_unicode():
    with pytest.raises(InvalidInput, match="no Unicode"):
        validation.check_id("a\ud800")


def test_refuses_long_request_ids():
    validation.check_request_id("r" * 64)
    with pytest.raises(InvalidInput, match="65 bytes; take at most 64"):
        validation.check_request_id("r" * 65)


@pytest.mark.parametrize(
    ("vector", "says"),
    [
        ([1, 2, 3], r"shape \(3,\), vector 'title' of collection 'notes' has 4 dimensions"),
        ([[1, 2, 3, 4]], r"shape \(1, 4\).*4 dimensions"),
        ([1, np.nan, 3, 4], "nan at position 1"),
        ([1, 2, 3, -np.inf], "-inf at position 3"),
        ([2e18, 0, 0, 0], "length 2e.18"),
        ([3e38, 3e38, 3e38, 3e38], "length 6e.38"),
    ],
)
@pytest.mark.parametrize("metric", list(Metric))
def test_refuses_vectors_that_cannot_be_compared(vector, says, metric):
    with pytest.raises(InvalidInput, match=says):
        validation.check_vector(np.array(vector, np.float32), vector_field("title", metric=metric), "notes")


def test_refuses_zero_vectors_where_they_have_no_direction():
    zero = np.zeros(4, np.float32)
    validation.check_vector(zero, vector_field("title", metric=Metric.DOT), "notes")
    validation.check_vector(zero, vector_field("title", metric=Metric.EUCLIDEAN), "notes")
    validation.check_vector(
        np.array([1e-40, 0, 0, 0], np.float32), vector_field("title", metric=Metric.COSINE), "notes"
    )
    with pytest.raises(InvalidInput, match="all zeros"):
        validation.check_vector(zero, vector_field("title", metric=Metric.COSINE), "notes")


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b" {} ", b'{"a": [1, {"b": null}], "c": 1e300}', '{"ä": "\\u0000😀"}'.encode(), b'{"": -0}'],
)
def test_takes_json_objects(payload):
    validation.check_payload(payload)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"[]", "JSON list"),
        (b"null", "JSON NoneType"),
        (b'"a"', "JSON str"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": [-Infinity]}', "holds -Infinity"),
        (b'{"a": 1e999}', "holds 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "key 'b' twice"),
        (b'{"a": "\xff"}', "not JSON in UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
    ],
)
def test_refuses_what_is_no_json_object(payload, says):
    with pytest.raises(InvalidInput, match=says):
        validation.check_payload(payload)


@pytest.mark.parametrize("depth", [65, 900, 500_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_refuses_deep_nesting(depth, opening, closing, monkeypatch):
    monkeypatch.setattr(validation, "MAX_PAYLOAD_BYTES", 1 << 30)
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    payload = f'{{"a":{inner}}}'.encode()
    with pytest.raises(InvalidInput, match="nested deeper than 64"):
        validation.check_payload(payload)


def test_takes_nesting_up_to_the_limit():
    validation.check_payload(('{"a":' * 64 + "1" + "}" * 64).encode())


def test_refuses_payloads_above_the_limit_before_reading_them():
    validation.check_payload(json.dumps({"a": "x" * 1_048_567}).encode())
    with pytest.raises(InvalidInput, match="payload has 1048577 bytes; at most 1048576"):
        validation.check_payload(b"x" * 1_048_577)


def test_counts_the_fields_of_a_payload():
    def nested(count):
        return {"a": [{str(number): number for number in range(count - 2)}], "b": list(range(20_000))}

    validation.check_payload(json.dumps(nested(10_000)).encode())
    with pytest.raises(InvalidInput, match="more than 10000 fields"):
        validation.check_payload(json.dumps(nested(10_001)).encode())


WHATEVER = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
MARKS = "{}[],:\" 1\n\t\0\ufeff\\ä'"
WORDS = '// "a" "a": "b":1 "\\u0061": -0 01 1. 1e999 NaN Infinity -Infinity null true nul'
PIECES = st.sampled_from([*MARKS, *WORDS.split()])


@given(
    st.dictionaries(st.text(max_size=3), WHATEVER, max_size=3).map(lambda value: json.dumps(value).encode())
    | st.lists(PIECES, max_size=12).map(lambda pieces: f"{{{''.join(pieces)}}}".encode())
    | st.lists(PIECES, max_size=12).map(lambda pieces: "".join(pieces).encode())
    | st.binary(max_size=12).map(lambda raw: b'{"a":"' + raw + b'"}')
)
@example(b'{"a":1,"a":2}')
@example(b'{"a":"x","a":1,"b":"y"}')
@example(b'{"a":"","":1}')
@example(b'{"a":1e999}')
@example(b'{"a":1}{')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'{"a":[{"b":1,"b":2}]}')
@example(b'{"\\u0061":1,"a":2}')
def test_what_is_told_quickly_of_a_payload_is_what_the_decoder_says(payload):
    if validation._is_plain(payload):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(validation, "_is_plain", lambda _: False)
            validation.check_payload(payload)


@pytest.mark.parametrize("payload", [b'{"n":1,"title":"row 1"}', b"{}", b'{ "a" : null, "b" : 0.5, "c" : true }'])
def test_most_payloads_are_told_quickly(payload):
    assert validation._is_plain(payload)
