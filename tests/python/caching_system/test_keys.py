"""Keys: equal arguments have one key, different ones have two."""

from __future__ import annotations

import dataclasses
import enum
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optcore.caching_system.keys import key_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def test_values_that_compare_equal_but_are_not_the_same_differ() -> None:
    values = [
        1, 1.0, True, 1 + 0j, "1", b"1", (1,), [1], {1}, frozenset({1}), {1: None},
        np.float64(1), np.float32(1), np.array(1.0), np.array([1.0]), np.array([1]),
        0.0, -0.0, None, "", b"", (), [], {}, 2**64, -(2**64),
    ]  # fmt: skip
    for a, b in itertools.combinations(values, 2):
        assert key_of(a) != key_of(b), (a, b)


@given(PLAIN, PLAIN)
def test_two_values_share_a_key_exactly_when_they_print_alike(a: object, b: object) -> None:
    def canonical(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ",".join(sorted(f"{k!r}:{canonical(v)}" for k, v in value.items())) + "}"
        if isinstance(value, list | tuple):
            return type(value).__name__ + "(" + ",".join(map(canonical, value)) + ")"
        return float.hex(value) if isinstance(value, float) else repr(value)

    if "nan" not in canonical((a, b)):
        assert (key_of(a) == key_of(b)) == (canonical(a) == canonical(b))


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_a_dict_and_of_a_set_does_not_count(names: list[str]) -> None:
    assert key_of({n: ord(n) for n in names}) == key_of({n: ord(n) for n in "abcd"})
    assert key_of(set(names)) == key_of(set("abcd"))


@pytest.mark.parametrize("size", [3, 40, 5000])
def test_an_array_is_its_elements_not_its_layout(size: int) -> None:
    a = np.random.default_rng(size).normal(size=(size, 4))
    wide = np.zeros((size, 9))
    wide[:, 1::2] = a
    for same in (a.copy(order="F"), wide[:, 1::2], a[::-1].copy()[::-1]):
        assert key_of(same) == key_of(a)
    for other in (a.T, a.reshape(4, size), a.astype(np.float32), a.view(np.int64), a[:-1]):
        assert key_of(other) != key_of(a)
    changed = a.copy()
    changed[-1, -1] = np.nextafter(changed[-1, -1], 9)
    assert key_of(changed) != key_of(a)


def test_dataclasses_are_keyed_by_type_and_fields() -> None:
    @dataclasses.dataclass
    class Point:
        x: float
        y: float

    assert key_of(Point(1.0, 2.0)) == key_of(Point(1.0, 2.0))
    assert key_of(Point(1.0, 2.0)) != key_of(Point(2.0, 1.0))
    assert key_of(Point(1.0, 2.0)) != key_of((1.0, 2.0))


@pytest.mark.parametrize(
    "value", [object(), np.array([None]), np.ma.masked_array([1.0], [True]), lambda: 0]
)
def test_what_has_no_canonical_bytes_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="no canonical bytes"):
        key_of(value)


def test_a_circle_is_an_error_and_not_a_crash() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(TypeError, match="64 levels"):
        key_of(circle)


class Plain(enum.Enum):
    A = 1
    B = 2


class Pins(enum.IntFlag):
    A = 1
    B = 2


class Modes(enum.Flag):
    A = 1
    B = 2


def test_flags_are_their_bits_and_not_their_names() -> None:
    values = [Pins.A, Pins.B, Pins.A | Pins.B, Pins(8), Pins(16), Pins(0), Modes(0), Modes.A,
              Modes.A | Modes.B, Plain.A, Plain.B]  # fmt: skip
    for a, b in itertools.combinations(values, 2):
        assert key_of(a) != key_of(b), (a, b)
    assert key_of(Pins.A | Pins.B) == key_of(Pins(3))


def test_structured_scalars_differ_by_their_fields() -> None:
    types = [[("a", "i4")], [("a", "f4")], [("b", "i4")], [("a", "i2"), ("b", "i2")]]
    keys = [key_of(np.zeros(1, t)[0]) for t in types]
    assert len(set(keys)) == 4
    assert key_of(np.zeros(3, types[0])[2]) == keys[0]
