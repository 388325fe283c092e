"""Scans on disk and what is made of them: read, brought to one grid and one grey scale, cut into slices, counted."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "scans": [
        "LoadedScan", "Scan", "combine_masks", "data_notice", "find_scans", "load_lesion", "load_scan",
        "source_of",
    ],
    "intensity": ["from_zero", "to_uint8", "white_point"],
    "placement": ["Placement", "measure_placement"],
    "registration": ["register"],
    "stripping": ["find_brain"],
    "metadata": ["join_metadata", "load_metadata"],
    "slicing": ["axial_slices", "downsample", "prepare_slices", "typical_scan", "upsample"],
    "lesion_maps": [
        "cohort_overlap", "count_components", "disc_diameter", "lesion_side", "lesion_table",
        "lesion_volume_ml", "median_diameter", "overlap_map",
    ],
})
