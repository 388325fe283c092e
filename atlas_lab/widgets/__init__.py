"""Slices under the mouse: the viewer, the browser of slices, and panels with sliders."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "viewer": ["compare", "view_slices"],
    "rendering": ["view_3d"],
    "browser": ["browse"],
    "panels": ["dice_playground", "overlap_panel", "weight_panel"],
})
