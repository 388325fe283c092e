"""The embedded cohort: synthetic subjects as files in the layout of an ATLAS release."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "cohort": ["make_cohort"],
})
