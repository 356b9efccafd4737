"""Frames: what was written comes back, anything else is refused."""

from __future__ import annotations

import os
import pickle
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optcore._native import runtime
from optcore.caching_system.frame import BadFrame, NotSerializable, decode, encode

KEY = b"0123456789abcdef"
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
def test_plain_values_come_back_with_their_types(value: object) -> None:
    back = decode(KEY, encode(KEY, value)).value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "|b1", "<c16", "|S5", "<U3", "<M8[ns]"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2), (4, 5)])
def test_arrays_come_back_bit_for_bit_and_read_only(dtype: str, shape: tuple[int, ...]) -> None:
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = bytes(i % 2 if dtype == "|b1" else (i * 37) % 2 * (i % 4 == 0) for i in range(count))
    array = np.frombuffer(raw, np.uint8).copy().view(dtype).reshape(shape)
    back = decode(KEY, encode(KEY, {"a": array})).value["a"]
    assert back.dtype == array.dtype
    assert back.shape == shape
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable
    if array.size:
        with pytest.raises(ValueError, match="WRITEABLE"):
            back.flags.writeable = True


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    frame = encode(KEY, {"mean": np.arange(5.0), "n": 3})
    for i in range(len(frame)):
        broken = bytearray(frame)
        broken[i] ^= 0x41
        with pytest.raises(BadFrame):
            decode(KEY, bytes(broken))
        with pytest.raises(BadFrame):
            decode(KEY, frame[:i])
    with pytest.raises(BadFrame):
        decode(b"another key 1234", frame)
    with pytest.raises(BadFrame):
        decode(KEY, frame + b"\0")


def test_objects_and_object_arrays_have_no_frame() -> None:
    for value in (object(), np.array([None]), [lambda: 0]):
        with pytest.raises(NotSerializable):
            encode(KEY, value)


@pytest.mark.parametrize(
    "value",
    [np.str_(""), np.bytes_(b""), np.zeros(3, "U0"), np.empty((1,) * 32), np.empty((1,) * 33)],
    ids=lambda v: f"{v.dtype}, {v.ndim} axes",
)
def test_what_is_written_can_be_read(value: Any) -> None:
    try:
        frame = encode(KEY, value)
    except NotSerializable as error:
        assert "has no frame" in str(error)  # noqa: PT017
    else:
        assert decode(KEY, frame).value.shape == value.shape


def test_mutated_bodies_with_a_right_checksum_neither_crash_nor_allocate() -> None:
    """A corpus of byte flips behind a valid header; OPTCORE_FUZZ sets how many (CI: 20000)."""
    values = [
        {"mean": np.arange(6.0).reshape(2, 3), "n": (1, 2.5, None, "é", b"x", {1, 2})},
        [np.zeros((0, 3)), np.float32(2), -(2**80), [[[[1]]]]],
    ]
    frames = [bytearray(encode(KEY, value)) for value in values]
    random = np.random.default_rng(8)
    count = int(os.environ.get("OPTCORE_FUZZ", "20000"))
    accepted = 0
    for i in range(count):
        body = frames[i % 2][64:]
        for _ in range(random.integers(1, 4)):
            body[random.integers(len(body))] = random.integers(256)
        if i % 3 == 0:
            del body[random.integers(len(body)) :]
        rest = frames[0][24:56] + len(body).to_bytes(8, "little") + body
        try:
            decode(KEY, bytes(frames[0][:8]) + runtime.checksum(rest) + bytes(rest))
            accepted += 1
        except BadFrame:
            pass
    assert 0 < accepted < count


def test_a_pickle_is_not_a_frame() -> None:
    with pytest.raises(BadFrame):
        decode(KEY, pickle.dumps({"a": 1}))


TABLE = [(i, f"station {i % 7}") for i in range(2000)]


def as_packed(magic: bytes, content: bytes) -> bytes:
    """A packed frame of any content, with the right checksum."""
    stream = zlib.compress(content, 9)
    return magic + runtime.checksum(stream) + stream


def test_a_packed_frame_is_smaller_and_as_safe() -> None:
    plain, packed = encode(KEY, TABLE), encode(KEY, TABLE, pack=True)
    assert len(packed) < 0.8 * len(plain)
    assert decode(KEY, packed).value == decode(KEY, memoryview(packed)).value == TABLE
    for i in range(0, len(packed), 7):
        broken = bytearray(packed)
        broken[i] ^= 0x41
        with pytest.raises(BadFrame):
            decode(KEY, bytes(broken))
        with pytest.raises(BadFrame):
            decode(KEY, packed[:i])
    for i in range(8 * (len(packed) - 16), 8 * len(packed)):  # the deflated end has bits to spare
        broken = bytearray(packed)
        broken[i // 8] ^= 1 << i % 8
        with pytest.raises(BadFrame):
            decode(KEY, bytes(broken))
    for bad in (packed + b"\0", as_packed(packed[:8], encode(b"another key 1234", TABLE))):
        with pytest.raises(BadFrame):
            decode(KEY, bad)


def test_what_does_not_shrink_or_is_small_or_mapped_is_not_packed() -> None:
    random = np.random.default_rng(3)
    for value in (random.normal(size=10_000), np.zeros(1000), np.zeros(2**17), b"x" * 2**20):
        assert encode(KEY, value, 60.0, pack=True)[:8] == encode(KEY, value)[:8]
    assert encode(KEY, np.zeros(2**14), pack=True)[:8] != encode(KEY, 1)[:8]


def test_a_packed_frame_cannot_fill_the_memory() -> None:
    bomb = as_packed(encode(KEY, TABLE, pack=True)[:8], bytes(10**8))
    tracemalloc.start()
    try:
        with pytest.raises(BadFrame):
            decode(KEY, bomb)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
