"""The same numbers in less time: what a network is laid out with when it is placed on a machine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "layout": ["place"],
    "memory": ["keep_freed_memory"],
    "precision": ["set_precision"],
})
