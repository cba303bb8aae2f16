"""Flags that take one number, or several."""

from typing import Any

import pytest
from absl import flags

from experiments import ranges


def parse(kind: str, text: str, default: Any = 1, **bounds: Any) -> Any:
    """What the flag is of an experiment of its own that is given `text`."""
    values = flags.FlagValues()
    define = {"integers": flags.IntegerParser, "floats": flags.FloatParser}[kind]
    parser = ranges.Numbers(define(**bounds), kind)
    flags.DEFINE(parser, "it", default, "help", flag_values=values, serializer=ranges.Serializer())
    values(["program", *([f"--it={text}"] if text else [])])
    assert values["it"].serialize() == f"--it={','.join(map(str, ranges.several(values.it)))}"
    again = flags.FlagValues()
    flags.DEFINE(parser, "it", default, "help", flag_values=again, serializer=ranges.Serializer())
    again(["program", values["it"].serialize()])
    assert again.it == values.it
    return values.it


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integers", "3", 3),
        ("integers", "", 1),
        ("integers", "0:1", 0),
        ("integers", "0:4", (0, 1, 2, 3)),
        ("integers", "0:8:3", (0, 3, 6)),
        ("integers", "5,0:2,9", (5, 0, 1, 9)),
        ("floats", "0.1", 0.1),
        ("floats", "1e-9", 1e-9),
        ("floats", "0.1,0.03,1", (0.1, 0.03, 1.0)),
        ("floats", "0.1:0.4:0.1", (0.1, 0.2, 0.3)),  # 0.1 + 0.1 + 0.1 in floats would be 0.30000000000000004
    ],
)
def test_one_number_stays_one_and_several_are_a_tuple(kind: str, text: str, expected: Any) -> None:
    found = parse(kind, text)
    assert found == expected
    assert [type(number) for number in ranges.several(found)] == [type(number) for number in ranges.several(expected)]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("integers", "1,2,1", "twice: 1"),
        ("integers", "0:3,2", "twice: 2"),
        ("integers", "4:4", "begins below its stop"),
        ("integers", "0:4:-1", "positive steps"),
        ("integers", "0:x", "start:stop:step"),
        ("integers", "0:1:2:3", "start:stop:step"),
        ("integers", "0:inf", "begins below its stop"),
        ("integers", "0:1000000000", "more than 10,000"),
        ("integers", "0:2:0.5", "invalid literal"),
        ("integers", "1,,2", "invalid literal"),
        ("integers", "-1:2", "non-negative"),
        ("floats", "0.1,a", "could not convert"),
    ],
)
def test_what_is_no_number_is_refused(kind: str, text: str, message: str) -> None:
    with pytest.raises(flags.IllegalFlagValueError, match=message):
        parse(kind, text, **({"lower_bound": 0} if kind == "integers" else {}))
