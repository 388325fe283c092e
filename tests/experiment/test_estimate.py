"""What a sweep will cost: counted by hand from a pace, and a pace from a few real steps."""

from dataclasses import replace

import pytest

import atlas_lab as lab
from atlas_lab.experiment import estimate
from atlas_lab.experiment.estimate import Pace, estimate_lines, kind_of, measure_pace, run_seconds

PACE = Pace(step=2.0, slice_scored=0.5, checkpoint=3.0, copying=7.0, checkpoint_bytes=6_000_000, n_train=70, n_dev=30,
            steps=0.7)


def test_a_run_s_seconds_by_hand():
    # 4 epochs of 0.7 steps and a checkpoint; 30 of dev in each, 30 of train in every second, and 4 x 30 at the end.
    by_hand = 4 * (0.7 * 2 + 3) + (4 * 30 + 2 * 30 + 4 * 30) * 0.5 + 7
    assert run_seconds(lab.RunConfig(epochs=4, train_scored_every=2), PACE) == pytest.approx(by_hand)
    sampled = by_hand - (4 * 20 + 2 * 20) * 0.5  # 10 slices in place of 30, of dev and of train
    assert run_seconds(lab.RunConfig(epochs=4, train_scored_every=2, dev_sample=10), PACE) == pytest.approx(sampled)
    assert run_seconds(lab.RunConfig(epochs=4, train_scored_every=2, dev_sample=99), PACE) == pytest.approx(by_hand)


def test_runs_are_of_one_kind_unless_they_cost_otherwise():
    config = lab.RunConfig()
    assert kind_of(replace(config, seed=3, pos_weight=1.0, epochs=80, scored_slices=100)) == kind_of(config)
    volumes = replace(config, net="volume_unet", split_by="subject")  # which can't be split by slice
    assert kind_of(replace(volumes, fold=3)) == kind_of(volumes) == volumes
    for changed in (replace(config, batch_size=10), replace(config, convs_per_stage=3), replace(config, scale=1)):
        assert kind_of(changed) != kind_of(config)


def test_the_lines_add_up(scans, monkeypatch):
    store = lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)
    monkeypatch.setattr(estimate, "_measured", lambda kind, folder, jobs: (PACE, 5.0))
    one = run_seconds(lab.RunConfig(), PACE)
    configs = [lab.RunConfig(seed=seed, batch_size=size) for size in (10, 100) for seed in range(3)]
    *kinds, time, disk, money = estimate_lines(configs, store, jobs=2, price=0.5)
    assert len(kinds) == 2 and all(line.startswith("3 runs") for line in kinds)
    minutes = [(3 * one + 5) / 60, 6 * one / 60]
    assert time == "time: {:.1f} minutes with --jobs 2 on this machine ({:.1f} minutes of one process)".format(*minutes)
    assert disk == "disk: 0.01 GB at the end, 0.01 GB more on the way"  # 6 x 2 MB of weights; 2 x 4 MB of Adam's
    assert money == f"money: {6 * one / 3600 * 0.5:.2f} at 0.5 for an hour of one process"
    assert "--price" in list(estimate_lines(configs, store))[-1]
    # One long run among many: the sweep can't end before it.
    *_, time, _, _ = estimate_lines([lab.RunConfig(epochs=1000)], store, jobs=8)
    assert time.startswith(f"time: {(run_seconds(lab.RunConfig(epochs=1000), PACE) + 5) / 3600:.1f} hours")


def test_minus_1_processes_are_one_per_core(scans, monkeypatch):
    store, asked = lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False), []
    monkeypatch.setattr(estimate, "_measured", lambda kind, folder, jobs: asked.append(jobs) or (PACE, 5.0))
    monkeypatch.setattr("joblib.effective_n_jobs", {-1: 3, 2: 2}.get)
    *_, time, _, _ = estimate_lines([lab.RunConfig(seed=seed) for seed in range(4)], store, jobs=-1)
    assert asked == [3] and "with --jobs 3 on this machine" in time


def test_a_pace_has_the_store_s_sizes(scans):
    store = lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)
    ticks = iter(range(10**6))  # a clock that goes one second at each look
    pace = measure_pace(lab.RunConfig(batch_size=20), store.folder, clock=lambda: next(ticks))
    assert (pace.n_train, pace.n_dev, pace.steps) == (42, 18, 2.1)
    assert (pace.step, pace.slice_scored, pace.checkpoint, pace.copying) == (1, 1 / 18, 1, 1)
    parameters = lab.count_parameters(lab.BaselineNet(store.shape))
    assert 12 * parameters < pace.checkpoint_bytes < 12.1 * parameters  # weights, and two of Adam's, in float32
    assert [path.name for path in store.folder.parent.iterdir() if path.is_dir()] == [store.folder.name]
