"""The course: exercises with their checks and solutions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["exercises"])
