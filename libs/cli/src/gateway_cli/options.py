"""Options that several commands share, and numbers whose range is told in a sentence, not in a box of Click's."""

from typing import Annotated, Any

import typer

from gateway_cli.failure import UsageFailure

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def whole_number(name: str, least: int, most: int, description: str) -> Any:
    """The option of this name; UsageFailure for what is no number between these."""

    def parse(given: str | int) -> int:
        text = str(given)  # A default comes as the number it is.
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else None
        if number is None or not least <= number <= most:
            raise UsageFailure(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
        return number

    return typer.Option(name, parser=parse, metavar=f"{least}..{most}", help=description)
