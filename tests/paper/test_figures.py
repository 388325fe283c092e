"""The main job on a small cohort: figures with provenance, and a live run that is held against its record."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

import atlas_lab as lab
from atlas_lab.config import PROFILES
from atlas_lab.experiment import replay
from atlas_lab.experiment import run as runs
from atlas_lab.files import lab_home
from atlas_lab.paper import figures, replays
from atlas_lab.paper.tables import marked_block, measured_table

LIVE = lab.RunConfig(epochs=2, batch_size=20, z_step=12)


@pytest.fixture
def small_job(tree, tmp_path, monkeypatch):
    """The job on the shared tree, marked as synthetic, with a short run and a record of it."""
    root = shutil.copytree(tree, tmp_path / "atlas")
    (root / "ATLAS_R1.1" / "synthetic.json").write_text("{}")
    monkeypatch.setenv("ATLAS_DATA", str(root))
    monkeypatch.setattr(figures, "LIVE", LIVE)
    records = tmp_path / "records"
    monkeypatch.setattr(runs, "RECORDS", records)
    torch.set_num_threads(1)
    store = lab.prepare_slices(lab.cohort(), LIVE.scale, LIVE.z_step, progress=False)
    for config in (LIVE, replace(LIVE, split_by="subject")):
        lab.save_run(lab.run_experiment(config, store, lambda line: None), records)
    return tmp_path / "figures", records


def test_draws_every_figure_with_its_provenance(small_job, capsys):
    out, records = small_job
    lines = []
    figures.draw_figures(out, lines.append)
    names = {"figure_1a", "figure_1b", "figure_2", "figure_3", "baseline_curves"}
    assert {path.stem for path in out.glob("*.png")} == names
    assert {path.stem for path in out.glob("*.json")} == names | {"cohort"}
    assert any("figure_5 is not drawn: decayed, by slice: fewer than 5 seeds" in line for line in lines)
    assert (out / "ledger.md").read_text().count("| C") == 17
    assert any("bit for bit in all 2 epochs" in line for line in lines)
    about = json.loads((out / "figure_3.json").read_text())
    assert about["cohort"] == "synthetic" and about["config"]["epochs"] == 2 and len(about["data_hash"]) == 16
    assert json.loads((out / "baseline_curves.json").read_text())["runs"] == [r.name for r in lab.load_runs(records)]
    assert (out / "measured.md").read_text() == measured_table(lab.load_runs(records))


def test_the_tables_in_the_repository_are_those_of_its_records():
    """After new records: `make figures`."""
    table = measured_table(lab.load_runs(loss=LIVE.loss, pos_weight=LIVE.pos_weight))
    assert (figures.REPOSITORY / "figures" / "measured.md").read_text() == table
    assert marked_block("measured", table) in (figures.REPOSITORY / "docs" / "results.md").read_text()


def test_fails_loudly_where_the_live_run_disagrees_with_its_record(small_job):
    out, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    record.history[-1]["dev"]["mean_dice"] = 0.9
    lab.save_run(record, records)
    with pytest.raises(lab.DataError, match="disagrees with its record"):
        figures.draw_figures(out, lambda line: None)
    assert not (out / "figure_3.png").exists()


def test_a_small_difference_is_within_the_tolerance_and_is_told(small_job):
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    live = replace(record, history=json.loads(json.dumps(record.history)))
    live.history[0]["dev"]["mean_dice"] = (record.history[0]["dev"]["mean_dice"] or 0) + 0.001
    text = lab.experiment.agreement_text(live, record)
    assert "within the tolerance, on the record's kind of machine" in text and "0.0010" in text
    live.environment = {**record.environment, "processor": "another"}
    assert "on another kind of machine" in lab.experiment.agreement_text(live, record)


def test_the_tolerance_is_tighter_in_the_first_epochs(small_job):
    """Trainings that differ only by rounding are still together then; a difference means other code or data."""
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    long = [{**record.history[0], "epoch": i + 1} for i in range(5)]
    for epoch, allowed in ((1, False), (4, True)):
        live = replace(record, history=json.loads(json.dumps(long)))
        live.history[epoch]["dev"]["mean_dice"] = (long[epoch]["dev"]["mean_dice"] or 0) + 0.01
        if allowed:
            assert "within the tolerance" in lab.experiment.agreement_text(live, replace(record, history=long))
        else:
            with pytest.raises(lab.DataError, match=r"first 3 epochs 0\.0100"):
                lab.experiment.agreement_text(live, replace(record, history=long))


@pytest.mark.parametrize("times, allowed", [(1.004, True), (1.02, False), (0.98, False)])
def test_the_first_epoch_s_loss_must_agree_too_since_dice_may_still_be_zero(small_job, times, allowed):
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    live = replace(record, history=json.loads(json.dumps(record.history)))
    live.history[0]["train"]["loss"] *= times
    if allowed:
        assert "loss of the first epoch 0.40%, tolerance 1%" in lab.experiment.agreement_text(live, record)
    else:
        with pytest.raises(lab.DataError, match=r"loss of the first epoch 2\.00%"):
            lab.experiment.agreement_text(live, record)


@pytest.mark.parametrize("part", ["train", "dev"])
def test_a_first_loss_that_is_not_a_number_is_no_agreement(small_job, part):
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    live = replace(record, history=json.loads(json.dumps(record.history)))
    live.history[0][part]["loss"] = None
    with pytest.raises(lab.DataError, match="disagrees with its record"):
        lab.experiment.agreement_text(live, record)


def on_gpu(run):
    return replace(run, environment={**run.environment, "device": "NVIDIA T4"})


def test_a_run_on_a_gpu_is_not_held_against_a_record_made_on_a_processor(small_job):
    """From the same seed dropout draws other masks there, so the two should differ, as two seeds do."""
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    live = on_gpu(replace(record, history=json.loads(json.dumps(record.history))))
    live.history[0]["dev"]["mean_dice"] = 0.9
    assert "made on cpu, the live run on NVIDIA T4" in lab.experiment.agreement_text(live, record)
    assert "made on NVIDIA T4, the live run on cpu" in lab.experiment.agreement_text(record, live)
    with pytest.raises(lab.DataError, match="disagrees with its record"):
        lab.experiment.agreement_text(live, on_gpu(record))


def test_live_runs_are_made_on_the_kind_of_device_of_their_record(small_job, monkeypatch):
    _, records = small_job
    (record,) = lab.load_runs(records, split_by="slice")
    monkeypatch.setattr(replay, "pick_device", lambda: torch.device("cuda"))
    devices = []
    monkeypatch.setattr(replays, "run_experiment", lambda *_, device, **__: devices.append(device))
    monkeypatch.setattr(replays, "open_store", lambda folder: None)
    for run in (record, on_gpu(record)):
        replays.first_epochs(run, "store")
    assert devices == ["cpu", torch.device("cuda")]


def test_real_data_are_drawn_outside_of_the_repository(small_job, monkeypatch):
    """Without the marker the tree counts as patients: no figure of it goes into figures/, no record is compared."""
    (lab.find_scans(small_job[0].parent / "atlas")[0].t1w.parents[3] / "synthetic.json").unlink()
    lines = []
    figures.draw_figures(report=lines.append)
    assert (lab_home() / "figures" / "figure_1a.png").exists()
    assert any("ATLAS R1.1" in line for line in lines) and any("patient images" in line for line in lines)
    with pytest.raises(lab.DataError, match="data use agreement"):
        figures.draw_figures(figures.REPOSITORY / "figures", lines.append)


def as_patients(small_job):
    """The tree without the marker that says that it is synthetic."""
    (lab.find_scans(small_job[0].parent / "atlas")[0].t1w.parents[3] / "synthetic.json").unlink()


def own_records(folder, point, count, dice=0.17):
    """Five seeds of the baseline with ten epochs and a Dice near the paper's, on the slices of a point; made up from a
    run of one epoch, which is recorded too."""
    config = replace(PROFILES[point].config, epochs=1)
    store = lab.prepare_slices(lab.cohort(), config.scale, config.z_step, progress=False)
    short = lab.run_experiment(config, store, lambda line: None)
    lab.save_run(short, folder)
    for seed in range(count):
        epoch = short.history[0] | {"dev": short.history[0]["dev"] | {
            "mean_dice": dice + seed / 1000, "area_ratio": 5.0 + seed}}
        history = [epoch | {"epoch": number} for number in range(1, 11)]
        lab.save_run(replace(short, config=replace(config, seed=seed, epochs=10), history=history), folder)
    return store


def row_of(page, claim):
    return next(line for line in page.read_text().splitlines() if line.startswith(f"| {claim} |"))


def test_a_person_s_own_runs_reach_the_ledger_and_the_study_page(small_job, monkeypatch, tmp_path):
    """On patients, as far as the lab can tell: C1 is judged from runs in runs/, which nobody had to name."""
    as_patients(small_job)
    monkeypatch.setattr(figures, "LIVE", replace(PROFILES["course"].config, epochs=1))
    for point in ("course", "study"):
        own_records(runs.runs_folder(), point, 5)
    (elsewhere,) = lab.load_runs(small_job[1], split_by="slice")
    foreign = replace(elsewhere, config=replace(LIVE, z_step=1, seed=7), data=elsewhere.data | {
        "source": "ATLAS R1.1", "data_hash": "0"})
    lab.save_run(foreign, runs.runs_folder())  # of other people
    lines = []
    out = figures.draw_figures(tmp_path / "out", lines.append)
    assert any("12 of 13 records" in line for line in lines)
    assert any("bit for bit in the first epoch" in line for line in lines)  # the live run and the person's own record
    assert "**holds**: Dice 0.172 [0.170, 0.174] after 10 epochs" in row_of(out / "ledger.md", "C1")
    study = (out / "study.md").read_text()
    assert "**holds**: Dice after 10 epochs 0.172 [0.170, 0.174]" in row_of(out / "study.md", "C1")
    assert "ATLAS R1.1: 6 scans" in study and "synthetic" not in study and "220" not in study
    assert "| baseline | baseline | slice | 5 | 10 | 5 | 5 |" in study
    assert not (out / "card.md").exists() and not (out / "people.png").exists()
    assert (out / "baseline_curves.png").exists()


def test_too_few_own_runs_leave_the_claim_open_and_a_folder_that_is_none_is_refused(small_job, monkeypatch, tmp_path):
    as_patients(small_job)
    monkeypatch.setattr(figures, "LIVE", replace(PROFILES["course"].config, epochs=1))
    own_records(tmp_path / "mine", "course", 4)
    out = figures.draw_figures(tmp_path / "out", lambda line: None, tmp_path / "mine")
    assert "**not recorded yet**" in row_of(out / "ledger.md", "C1") and not (out / "study.md").exists()
    with pytest.raises(lab.DataError, match="there is no such folder"):
        figures.draw_figures(tmp_path / "out", lambda line: None, tmp_path / "nowhere")
