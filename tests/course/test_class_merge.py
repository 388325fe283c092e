"""The class as an experiment: its interval by hand, designs beside their own runs, and records that can't be used."""

import os
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from atlas_lab.cli import main
from atlas_lab.course.class_merge import merge_class
from atlas_lab.course.class_runs import COMMON, compare_class
from atlas_lab.experiment.run import load_runs, save_run
from atlas_lab.files import DataError

DICE = [0.11, 0.13, 0.17, 0.16, 0.12, 0.18, 0.15, 0.14]


@pytest.fixture(scope="module")
def recorded():
    """The lab's records of the common config, the longest."""
    return load_runs(pos_weight=10.0, split_by="slice", epochs=80)


def hand_in(recorded, folder, seed, dice, **changes):
    """Save a record as a student's: a flat curve of one Dice."""
    config = replace(COMMON, seed=seed, **changes)
    history = [{**entry, "dev": {**entry["dev"], "mean_dice": dice}} for entry in recorded[0].history[:config.epochs]]
    return save_run(replace(recorded[0], config=config, history=history), folder / f"student-{seed}")


@pytest.fixture
def class_of_8(tmp_path, recorded):
    for i, dice in enumerate(DICE):
        hand_in(recorded, tmp_path / "in", 100 + i, dice)
    return tmp_path / "in"


def test_the_interval_is_that_of_students_t_and_ours_is_read_at_as_many_updates(class_of_8, recorded):
    result = compare_class(class_of_8, load_runs())
    low, high = stats.t.interval(0.95, len(DICE) - 1, np.mean(DICE), stats.sem(DICE))
    assert result.interval == pytest.approx((np.mean(DICE), low, high))
    assert result.updates == 10 * 42  # ceil(4,189 / 100) an epoch
    assert result.our_interval.mean == pytest.approx(np.mean([run.curve()[9] for run in recorded]))
    assert len(set(result.codes)) == 8 and result.notes == []


def test_designs_are_held_against_their_own_run_at_equal_updates(class_of_8, recorded):
    hand_in(recorded, class_of_8, 102, 0.05, pos_weight=100.0)  # recorded by the lab too
    hand_in(recorded, class_of_8, 103, 0.02, batch_size=200)    # 21 updates an epoch: its 10 are 5 of the common run
    hand_in(recorded, class_of_8, 555, 0.02, dropout=0.0)       # nobody's
    result = compare_class(class_of_8, load_runs())
    by_change = {design.changes: design for design in result.designs}
    weight, batch = by_change["pos_weight 100.0"], by_change["batch_size 200"]
    assert (weight.dice, weight.common, weight.updates) == (0.05, 0.17, 420)
    theirs = load_runs(pos_weight=100.0, split_by="slice", epochs=60, loss="cross_entropy")
    expected = np.mean([a.curve()[9] - b.curve()[9] for a, b in zip(theirs, recorded, strict=True)])
    assert weight.ours.mean == pytest.approx(expected)
    assert batch.updates == 210 and batch.ours is None
    assert len(result.designs) == 2 and "without a common run" in result.notes[0]


def test_a_second_record_of_a_seed_and_files_that_are_none_are_left_out_and_said(class_of_8, recorded):
    copied = hand_in(recorded, class_of_8, 100, 0.11)
    (class_of_8 / "copy").mkdir()
    (class_of_8 / "copy" / copied.name).write_bytes(copied.read_bytes())
    (class_of_8 / "bad.json").write_text('{"config": {}}')
    os.symlink("/etc/hostname", class_of_8 / "link.json")
    changed = class_of_8 / "student-101" / next((class_of_8 / "student-101").iterdir()).name
    changed.write_text(changed.read_text().replace("0.13", "0.93"))
    patients = replace(recorded[0], config=replace(COMMON, seed=777), data={**recorded[0].data, "source": "ATLAS"},
                       history=recorded[0].history[:10])
    save_run(patients, class_of_8 / "patients")
    result = compare_class(class_of_8, load_runs())
    assert len(result.runs) == 7 and len(result.notes) == 4
    text = "\n".join(result.notes)
    assert "isn't independent" in text and "missing" in text and "checksum" in text and "of patients" in text
    assert "student-101" not in text


def test_records_are_found_however_deep_they_lie(class_of_8):
    deep = class_of_8 / "student-100" / "copy" / "of" / "the" / "lab" / "runs"
    deep.mkdir(parents=True)
    record, = (class_of_8 / "student-100").glob("*.json")
    record.rename(deep / record.name)
    assert len(compare_class(class_of_8, load_runs()).runs) == len(DICE)


def test_fewer_than_five_make_no_class(tmp_path, recorded):
    for seed in range(4):
        hand_in(recorded, tmp_path / "in", seed, 0.1)
    with pytest.raises(DataError, match="4 usable records"):
        compare_class(tmp_path / "in", load_runs())


def test_the_command_writes_pseudonyms_and_no_names(class_of_8, recorded, tmp_path, capsys):
    hand_in(recorded, class_of_8, 107, 0.02, split_by="subject")
    (class_of_8 / "student-107").rename(class_of_8 / "Ada")
    assert main(["class", "merge", str(class_of_8), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "class.md").read_text()
    assert "0.145 [0.125, 0.165]" in text and "split_by subject" in text and "No verdicts" in text
    assert "Ada" not in text and "student-" not in text and "107" not in text
    assert (tmp_path / "out" / "class.png").stat().st_mode & 0o077 == 0


def test_nothing_of_a_student_goes_into_git(class_of_8, tmp_path, capsys):
    tree = tmp_path / "tree"
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    with pytest.raises(DataError, match="work of students"):
        merge_class(class_of_8, tree / "out")
    class_of_8.rename(tree / "in")
    assert main(["class", "merge", str(tree / "in"), "--out", str(tmp_path / "out")]) == 2
    assert "work of students" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tree / "out").exists()
