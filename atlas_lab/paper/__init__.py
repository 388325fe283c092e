"""The paper: its ablations as variants, its claims judged from records, its figures and tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={
    "ablations": ["SWEEPS", "VARIANTS", "sweep_configs", "variant_config"],
    "evidence": ["Records", "n_updates", "oscillation", "recent_rise"],
    "claims": ["CLAIMS", "judge_claims"],
    "controls": ["CONTROLS", "control_masks"],
    "control_records": ["controls_table", "controls_text", "load_controls"],
    "conventions": ["headline_dice"],
    "effects": ["departure_effects", "effects_table", "updates_text"],
    "tables": ["ledger_table", "measured_table"],
    "card": ["special_table"],
    "figures": ["draw_figures"],
    "many_people": ["beside_table", "final_scores"],
    "people_claims": ["judge_people"],
    "people_figure": ["draw_people"],
    "people_progress": ["difference_so_far", "difference_table"],
    "people_records": ["load_people"],
    "people_scores": ["reliability"],
    "processing_choice": ["load_processed", "processing_gains", "processing_table"],
    "study_page": ["short_study_table", "study_verdicts"],
})
