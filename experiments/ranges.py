"""Flags that take one number, or several: a list such as 0.1,0.03, a range such as 0:8 or 0:8:2, or both."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from absl import flags

flags.disclaim_key_flags()  # the flags belong to the module that defines them through this one

MOST = 10_000
"""How many numbers a flag may have."""


def several(value: Any) -> tuple[Any, ...]:
    """Returns a flag's numbers, also where there is one."""
    return value if isinstance(value, tuple) else (value,)


def integers(name: str, default: int, doc: str, **bounds: int) -> flags.FlagHolder[Any]:
    """Defines a flag whose value is an integer, or a tuple where it is given several.

    Args:
      name: of the flag.
      default: one number.
      doc: what it is for.
      **bounds: `lower_bound` and `upper_bound`, as absl has them.
    """
    return _define(Numbers(flags.IntegerParser(**bounds), "an integer"), name, default, doc)


def floats(name: str, default: float | None, doc: str, **bounds: float) -> flags.FlagHolder[Any]:
    """Defines a flag whose value is a float, or a tuple where it is given several; as `integers`."""
    return _define(Numbers(flags.FloatParser(**bounds), "a number"), name, default, doc)


class Numbers(flags.ArgumentParser):
    """Parses one number to what `one` makes of it, several to a tuple."""

    def __init__(self, one: flags.ArgumentParser, what: str) -> None:
        super().__init__()
        self.one = one
        self.syntactic_help = f"{what}; several as a list, 1,2,4, or as a range, 0:8 or 0:8:2"

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        found = [number for item in argument.split(",") for number in self._numbers(item.strip())]
        if len(found) > MOST:
            raise ValueError(f"these are more than {MOST:,} numbers")
        if len(set(found)) < len(found):
            raise ValueError(f"a number is there twice: {Counter(found).most_common(1)[0][0]}")
        return found[0] if len(found) == 1 else tuple(found)

    def flag_type(self) -> str:
        return f"{self.one.flag_type()} or several"

    def _numbers(self, item: str) -> Iterator[Any]:
        if ":" not in item:
            yield self.one.parse(item)
            return
        try:
            start, stop, step = map(Decimal, [*item.split(":"), "1"][:3] if item.count(":") < 3 else [])
        except (ValueError, InvalidOperation):
            raise ValueError(f"a range is start:stop or start:stop:step, not {item!r}") from None
        if not (start.is_finite() and stop.is_finite() and step.is_finite() and step > 0 and start < stop):
            raise ValueError(f"a range begins below its stop, which it does not reach, in positive steps; not {item!r}")
        if (stop - start) / step > MOST:
            raise ValueError(f"{item} has more than {MOST:,} numbers")
        number = start
        while number < stop:
            yield self.one.parse(str(number))
            number += step


class Serializer(flags.ArgumentSerializer):
    """Writes what `Numbers` parses."""

    def serialize(self, value: Any) -> str:
        return ",".join(map(str, several(value)))


def _define(parser: flags.ArgumentParser, name: str, default: Any, doc: str) -> flags.FlagHolder[Any]:
    return flags.DEFINE(parser, name, default, doc, serializer=Serializer())
