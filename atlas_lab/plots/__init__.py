"""Every picture of the lab; functions return figures or axes, and `save_figure` writes them with what made them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "style": ["mark_source", "mask_legend", "small_pictures"],
    "slices": ["plot_grid", "show_pair", "show_slice"],
    "calibration": ["plot_calibration"],
    "curves": ["plot_histories", "plot_history", "plot_split_curves"],
    "architecture": ["plot_architecture"],
    "brain": ["plot_overlap_map"],
    "comparisons": ["plot_splits", "plot_variants", "plot_waterfall"],
    "intervals": ["plot_intervals"],
    "roads": ["plot_roads"],
    "saving": ["save_figure"],
})
