"""Numbers that tests measured, told at the end of the run whether they passed or not."""

from collections.abc import Callable

Measure = Callable[[str], None]

measured: list[str] = []
