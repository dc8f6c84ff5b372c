"""A program: reads the settings classes of modules from the environment and prints as JSON what is wrong with each."""

import json
import sys
from importlib import import_module

from pydantic import ValidationError

from gateway_common.settings import ProcessSettings


def find_faults(module_name: str) -> list[str]:
    """A sentence for each setting that the module's settings do not take. It names the setting, never its value."""
    try:
        for thing in vars(import_module(module_name)).values():
            if isinstance(thing, type) and issubclass(thing, ProcessSettings) and thing.__module__ == module_name:
                thing()
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, fault['loc'])).upper() or 'Settings'}: {fault['msg']}."
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    return []


if __name__ == "__main__":
    print(json.dumps({module_name: find_faults(module_name) for module_name in sys.argv[1:]}))
