"""How hypothesis runs in unit tests: the same examples every time, and no deadline on a busy machine."""

from hypothesis import settings

settings.register_profile("unit", deadline=None, derandomize=True)
settings.load_profile("unit")
