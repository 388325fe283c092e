"""How the post-processing of a final network is chosen, scored once, and put on the pages."""


import numpy as np
import pytest
from boxes import store_of
from sklearn.metrics import f1_score

from atlas_lab.experiment.post_processing import PLAIN, PostProcessing
from atlas_lab.files import REPOSITORY
from atlas_lab.paper import people_records, processing_choice
from atlas_lab.paper.many_people import MANY
from atlas_lab.paper.processing_choice import (
    WAYS,
    choose_processing,
    load_processed,
    process_rows,
    processed_row,
    processing_gains,
    processing_table,
)
from atlas_lab.paper.tables import marked_block


def answers_of(store, monkeypatch, lesion=0.85, alarm=0.65, mirrored_alarm=0.65):
    """A network that sees each lesion, and a strip of 4 columns beside none, as likely as told."""
    strip = np.zeros(store.masks.shape, bool)
    strip[:, :, 12:] = True

    def answer(model, config, store, rows, mirrored=False):
        likely = np.where(strip & ~store.masks, mirrored_alarm if mirrored else alarm, 0.05)
        return np.where(store.masks, lesion, likely)[rows].astype(np.float32)

    monkeypatch.setattr(processing_choice, "predict_rows", answer)
    return strip


def test_the_simplest_of_the_best_ways_is_chosen(monkeypatch):
    store = store_of(4)
    rows = np.flatnonzero(store.table["subject"] < "000003")
    answers_of(store, monkeypatch)
    way, tried = choose_processing(None, None, store, rows)
    assert way == PostProcessing(threshold=0.7)  # 0.65 falls, 0.85 stays; no mirror and no volume is needed
    assert [PostProcessing(*list(one.values())[:3]) for one in tried] == list(WAYS) and WAYS[0] == PLAIN
    answers_of(store, monkeypatch, alarm=0.9, mirrored_alarm=0.1)  # no threshold helps, the mirror image does
    assert choose_processing(None, None, store, rows)[0] == PostProcessing(mirrored=True)


def test_what_each_way_scored_is_what_plain_sums_say(monkeypatch):
    store = store_of(4)
    rows = np.flatnonzero(store.table["subject"] < "000003")
    strip = answers_of(store, monkeypatch)
    _, tried = choose_processing(None, None, store, rows)
    people = [store.table["subject"] == f"00000{number}" for number in range(3)]
    by_hand = [f1_score(store.masks[person].ravel(), (store.masks | strip)[person].ravel()) for person in people]
    assert tried[0]["dice"] == pytest.approx(np.mean(by_hand)) and tried[0]["lesion_f1"] <= 1
    clean = next(one for one in tried if one["threshold"] == 0.8)
    assert clean["dice"] == clean["lesion_f1"] == 1


def test_a_final_network_is_processed_and_scored_once(others, tmp_path):
    people_records.record_people(["final: U-Net"], tmp_path, 1, lambda line: None, lesions=tmp_path)
    said = []
    (path,) = process_rows([], tmp_path, said.append, lesions=tmp_path)
    (record,) = load_processed(tmp_path)
    assert record["row"] == processed_row("final: U-Net") and len(record["tried"]) == len(WAYS)
    best = max(one["dice"] + one["lesion_f1"] for one in record["tried"])
    chosen = next(one for one in record["tried"] if record["chosen"].items() <= one.items())
    assert chosen["dice"] + chosen["lesion_f1"] == best and said[0].startswith("final: U-Net: ")
    scores = record["scores"]
    assert len(scores["plain"]) == 7 and len(scores["real shapes"]) == 4 and scores["false alarms"]["people"] == 3
    before = path.read_bytes()
    assert process_rows(["final: U-Net"], tmp_path) == [path] and path.read_bytes() == before
    assert process_rows(["U-Net"], tmp_path) == []


def test_its_scores_are_those_of_the_masks_that_predict_makes(others, tmp_path, monkeypatch):
    """With nothing done they are the row's own; else those of each scan by itself."""
    people_records.record_people(["final: U-Net"], tmp_path, 1, lambda line: None)
    (plain,) = people_records.load_people(tmp_path)
    monkeypatch.setattr(processing_choice, "choose_processing", lambda *_: (PLAIN, []))
    process_rows([], tmp_path, lambda line: None)
    (record,) = load_processed(tmp_path)
    assert record["scores"]["plain"] == plain["scores"]["plain"] and "real shapes" not in record["scores"]
    assert record["scores"]["calibration"] == plain["scores"]["calibration"]
    assert record["scores"]["false alarms"] == plain["scores"]["false alarms"]


def record(row, dice, **more):
    """Scores of a network of seed 0 for some people."""
    scans = [{"subject": f"{index:03d}", "dice": value, "lesion_f1": value / 2} for index, value in enumerate(dice)]
    return {"row": row, "config": {"cohort": 0, "seed": 0}, "scores": {"plain": scans}} | more


def test_the_table_has_the_gain_on_the_same_people():
    dice = np.linspace(0.2, 0.6, 9)
    people = [record("final: baseline", dice), record(MANY, dice + 0.1)]
    after = record(processed_row(MANY), dice + 0.2, chosen=PostProcessing(True, 0.7, 0.1)._asdict(), tried=[])
    after["scores"] |= {"false alarms": {"median_ml": 0.5}, "real shapes": after["scores"]["plain"][:1]}
    table = processing_table(people, [after])
    assert "| many people | the mirrored scan asked too, lesion from probability 0.7 on, pieces of less than 0.1 ml " \
           "left out | 0.600 [" in table
    assert "| +0.100 [+0.100, +0.100] | 0.300 [" in table and table.endswith("| 0.400 [0.400, 0.400] | 0.50 |\n")
    gains = processing_gains(people, [after])
    assert list(gains) == [MANY] and gains[MANY]["lesion_f1"].mean == pytest.approx(0.05)
    assert table.count("\n") == 3 and processing_table(people, []) == processing_table([], [after]) == ""


def test_the_page_of_results_has_the_recorded_ones():
    people, processed = people_records.load_people(), load_processed()
    table = processing_table(people, processed)
    assert "| baseline |" in table and "| many people |" in table
    assert marked_block("processing", table) in (REPOSITORY / "docs" / "results.md").read_text("utf-8")
    assert f"### {processed_row(MANY)}" in (REPOSITORY / "figures" / "study.md").read_text("utf-8")
    for record in processed:
        best = max(record["tried"], key=lambda one: one["dice"] + one["lesion_f1"])
        assert record["chosen"].items() <= best.items()
