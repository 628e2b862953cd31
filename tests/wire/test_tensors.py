import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from frostline.v1.embedding_pb2 import (
    DTYPE_BINARY,
    DTYPE_FLOAT16,
    DTYPE_FLOAT32,
    DTYPE_INT8,
    DTYPE_UNSPECIFIED,
    Tensor,
)
from frostline.wire.tensors import decode, encode

NUMBERS = st.floats(-1000, 1000, width=32, allow_subnormal=False)
MATRICES = hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.integers(0, 20)), elements=NUMBERS)


@given(MATRICES)
def test_float32_comes_back_bit_for_bit(array):
    for dtype in (DTYPE_FLOAT32, DTYPE_UNSPECIFIED):
        back = decode(encode(array, dtype))
        assert back.dtype == np.float32
        assert back.shape == array.shape
        np.testing.assert_array_equal(back, array)


@given(MATRICES)
def test_float16_comes_back_rounded(array):
    np.testing.assert_array_equal(decode(encode(array, DTYPE_FLOAT16)), array.astype(np.float16).astype(np.float32))


@given(MATRICES)
def test_int8_comes_back_within_half_a_step_of_its_row(array):
    back = decode(encode(array, DTYPE_INT8))
    assert back.dtype == np.float32
    assert back.shape == array.shape
    steps = np.abs(array).max(axis=1, keepdims=True, initial=0) / 127
    assert (np.abs(back - array) <= steps * 0.5001 + 1e-30).all()


@given(MATRICES)
def test_binary_keeps_the_signs(array):
    back = decode(encode(array, DTYPE_BINARY))
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, np.where(array > 0, 1.0, -1.0))


@given(hnp.arrays(np.float32, st.integers(0, 20), elements=NUMBERS), st.sampled_from([1, 2, 3, 4]))
def test_one_vector_travels_like_a_row(vector, dtype):
    np.testing.assert_array_equal(decode(encode(vector, dtype)), decode(encode(vector[None], dtype))[0])


def test_the_layout_is_part_of_the_contract():
    array = np.array([[1.0, -2.0, 0.5]], np.float32)
    assert encode(array).data == bytes.fromhex("0000803f 000000c0 0000003f")
    assert encode(array, DTYPE_FLOAT16).data == bytes.fromhex("003c 00c0 0038")
    assert encode(array, DTYPE_INT8).data == bytes([64, 129, 32])
    assert np.frombuffer(encode(array, DTYPE_INT8).scales, "<f4") == np.float32(2 / 127)
    assert encode(array, DTYPE_BINARY).data == bytes([0b10100000])
    assert list(encode(array, DTYPE_BINARY).shape) == [1, 3]


def test_an_array_of_any_memory_layout_is_stored_row_by_row():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert encode(np.asfortranarray(array)) == encode(array)
    assert encode(array.astype(">f4")).data == encode(array).data


@given(
    shape=st.lists(st.integers(-(2**62), 2**62), max_size=4),
    dtype=st.integers(0, 6),
    data=st.binary(max_size=64),
    scales=st.binary(max_size=16),
)
def test_whatever_arrives_is_read_or_refused_with_a_value_error(shape, dtype, data, scales):
    try:
        back = decode(Tensor(dtype=dtype, shape=shape, data=data, scales=scales))
    except ValueError:
        return
    assert back.shape == tuple(shape)
    assert back.size <= 8 * 64


@pytest.mark.parametrize("dtype", [DTYPE_FLOAT32, DTYPE_FLOAT16, DTYPE_INT8, DTYPE_BINARY])
@pytest.mark.parametrize("data", [b"", b"abcd"])
@pytest.mark.parametrize(
    "shape", [[], [1 << 40], [1 << 20, 1 << 20], [1 << 62, 1 << 62], [-1, -1], [1 << 40, 0], [0, 1 << 40]]
)
def test_hostile_shapes_cost_no_memory(dtype, data, shape):
    tracemalloc.start()
    try:
        back = decode(Tensor(dtype=dtype, shape=shape, data=data, scales=b"abcd"))
    except ValueError:
        back = None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 100_000
    assert back is None or (back.size == 0 and data == b"")


def test_a_size_that_does_not_fit_is_said_in_bytes():
    for dtype, needed in ((DTYPE_FLOAT32, 24), (DTYPE_FLOAT16, 12), (DTYPE_INT8, 6), (DTYPE_BINARY, 2)):
        with pytest.raises(ValueError, match=rf"shape \(2, 3\) needs {needed} bytes, not 5"):
            decode(Tensor(dtype=dtype, shape=[2, 3], data=b"abcde"))


@pytest.mark.parametrize("scales", [b"", b"abc", b"abcdefgh"])
def test_int8_needs_one_scale_a_row(scales):
    with pytest.raises(ValueError, match=r"scale|buffer"):
        decode(Tensor(dtype=DTYPE_INT8, shape=[1, 4], data=b"abcd", scales=scales))
