"""A plan of runs on new people that takes seconds."""

from dataclasses import replace

import pytest
import torch
from boxes import Z_STEP, store_of

import atlas_lab as lab
from atlas_lab.config import run_name
from atlas_lab.paper import people_plan, people_records, processing_choice
from atlas_lab.paper.people_plan import PEOPLE


@pytest.fixture
def small_people(monkeypatch):
    """A plan of a few seconds: two rows and the cascade, one seed, on scans of boxes."""
    rows = {name: replace(PEOPLE[name], seeds=1, epochs=1) for name in
            ("baseline", "U-Net", "cascade: presence", "cascade: place", "final: U-Net")}
    rows["U-Net"] = replace(rows["U-Net"], settings={"net": "unet", "width": 2})
    monkeypatch.setattr(people_plan, "BASE", replace(people_plan.BASE, batch_size=20, z_step=Z_STEP))
    for name, row in rows.items():
        monkeypatch.setitem(PEOPLE, name, row)
    monkeypatch.setattr(people_records, "_slices", lambda number, scale, z_step, people: store_of(7))
    monkeypatch.setattr(people_records, "territories", lambda number: {})

    def train(configs, store, folder, jobs, report):
        torch.set_num_threads(1)
        for config in (one for one in configs if not (folder / f"{run_name(one)}.json").exists()):
            lab.save_run(lab.run_experiment(config, store(config), report=lambda line: None), folder)

    monkeypatch.setattr(people_records, "sweep", train)
    return rows


@pytest.fixture
def others(small_people, monkeypatch):
    """People without lesion and with other lesions, in memory."""
    healthy = store_of(3)
    healthy.masks[:] = False
    for module in (people_records, processing_choice):
        monkeypatch.setattr(module, "healthy_slices", lambda config: healthy)
        monkeypatch.setattr(module, "real_lesion_slices", lambda config, number, lesions: store_of(4))
        monkeypatch.setattr(module, "territories", lambda number: {})
    monkeypatch.setattr(people_records, "slices_without_mimics", lambda config, number: store_of(3))
