"""Two processes that train together: the numbers of one, also when one of them is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed import HashStore

import atlas_lab as lab
from atlas_lab.config import RunConfig, plain_settings
from atlas_lab.experiment import distributed, start
from atlas_lab.experiment.distributed import SCORED, OneProcess, Ranks, process_group, store_of_this_start
from atlas_lab.files import REPOSITORY, lab_home

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
TORCHRUN += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
# 42 slices to train on: batches of 41 and of 1, so that one process has no slice of the last one. 20 steps.
LONG = RunConfig(epochs=10, batch_size=41, z_step=20)
CONFIGS = [LONG, replace(LONG, loss="tversky", smooth=1.0, pool="avg")]
SCRIPT = """
import json, sys
import torch
import atlas_lab as lab
from atlas_lab.config import config_from_plain
from atlas_lab.dataset import open_store
from atlas_lab.experiment.distributed import process_group

lines = []
with process_group() as ranks:
    for settings in json.load(open(sys.argv[2])):
        run = lab.run_experiment(config_from_plain(settings), open_store(sys.argv[1]), lines.append, ranks=ranks)
        if ranks.writes:
            lab.save_run(run, sys.argv[3])
if ranks.writes:
    print(lines[0])
"""


@pytest.fixture
def store(scans):
    return lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def nudged(build):
    """A function that builds a model, each weight of which is then moved to a neighbouring float32."""
    def build_nudged(*settings):
        model, drawn = build(*settings), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in model.parameters():
                up = torch.rand(weight.shape, generator=drawn) > 0.5
                weight.copy_(torch.nextafter(weight, torch.where(up, torch.inf, -torch.inf)))
        return model
    return build_nudged


def final_weights(home, run, store):
    """The weights at the end of a run, by name, from its checkpoint."""
    path = home / "checkpoints" / f"{run.name}-on-{store.about['data_hash']}" / "checkpoint.pt"
    return torch.load(path, weights_only=True)["model"]


def difference(ones, others):
    """How far two networks' weights lie from one another: root of the mean square, and the most."""
    assert ones.keys() == others.keys()
    apart = torch.cat([(ones[name] - others[name]).double().ravel() for name in ones])
    return torch.stack([apart.square().mean().sqrt(), apart.abs().max()])


def test_two_processes_train_what_one_does(store, tmp_path, monkeypatch):
    """As far as float32 can tell. What it can tell is measured: the same training from weights one rounding away.

    Adam divides each gradient by its own size, so twenty steps carry a rounding of 6e-8 to some 1e-5 in a single
    weight; how far depends on the processor, so no fixed tolerance would do. A learning rate that is wrong by a
    thousandth is farther off.
    """
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "configs.json").write_text(json.dumps([plain_settings(config) for config in CONFIGS]))
    done = subprocess.run(
        [*TORCHRUN, tmp_path / "script.py", store.folder, tmp_path / "configs.json", tmp_path / "two"], text=True,
        capture_output=True, env=environment(ATLAS_LAB_HOME=str(tmp_path / "home of two")))
    assert done.returncode == 0, done.stderr
    assert "2 processes on 1 host(s): the batch stays 41 slices, 20 or 21 for each process" in done.stdout
    torch.set_num_threads(1)
    for config in CONFIGS:
        one = lab.run_experiment(config, store, lambda line: None)
        (two,) = lab.load_runs(tmp_path / "two", loss=config.loss)
        assert two.history[-1]["made_by"]["processes"] == 2 and len(two.history[-1]["made_by"]["hosts"]) == 1
        steps = [[entry["step_loss"] for entry in run.history] for run in (one, two)]
        assert np.allclose(*steps, rtol=1e-5, atol=1e-6) and steps[0][0] != steps[0][-1]
        assert np.allclose(one.curve("loss"), two.curve("loss"), rtol=1e-5, atol=1e-6)
        assert np.allclose(one.curve(), two.curve(), atol=1e-3, equal_nan=True)
        ours, theirs = (final_weights(home, one, store) for home in (lab_home(), tmp_path / "home of two"))
        with monkeypatch.context() as patch:
            patch.setattr(start, "build_model", nudged(start.build_model))
            patch.setenv("ATLAS_LAB_HOME", str(tmp_path / "home of nudged"))
            lab.run_experiment(config, store, lambda line: None)
        rounding = difference(final_weights(tmp_path / "home of nudged", one, store), ours)
        assert 0 < rounding[0] < 1e-6 and (difference(theirs, ours) <= 2 * rounding).all()
        wrong = lab.run_experiment(replace(config, learning_rate=1.001e-3), store, lambda line: None)
        assert (difference(final_weights(lab_home(), wrong, store), ours) > 2 * rounding).all()


def start_training(home, out, *settings):
    """The command that trains in two processes, as it runs."""
    command = [*TORCHRUN, "--max-restarts", "3", "-m", "atlas_lab", "train", "--profile", "quick", "--out", out,
               "z_step=20", *settings]
    return subprocess.Popen(command, env=environment(ATLAS_LAB_HOME=str(home)), cwd=REPOSITORY,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes as Linux shows them")
def test_a_training_goes_on_after_one_of_its_processes_is_killed(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("ATLAS_DATA", str(tree))
    settings, home = ["epochs=60", "batch_size=11"], tmp_path / "killed"
    training = start_training(home, tmp_path / "records of killed", *settings)
    ends = time.monotonic() + 300
    while not (found := list(home.glob("checkpoints/*/checkpoint.pt"))):
        assert time.monotonic() < ends and training.poll() is None, training.stderr.read()
        time.sleep(0.01)
    (victim,) = [int(path.parent.name) for path in process_files(training.pid) if b"RANK=1\0" in path.read_bytes()]
    os.kill(victim, signal.SIGKILL)
    assert 0 < len(torch.load(found[0], weights_only=True)["history"]) < 60
    said = training.communicate()[1]
    assert training.returncode == 0 and "exitcode: -9" in said, said
    whole = start_training(tmp_path / "whole", tmp_path / "records of whole", *settings)
    assert whole.wait() == 0
    (one,), (two,) = lab.load_runs(tmp_path / "records of killed"), lab.load_runs(tmp_path / "records of whole")
    assert lab.experiment.compare_runs(one, two).identical and one.final == two.final and one.examples == two.examples
    assert [entry["made_by"] for entry in one.history] == [entry["made_by"] for entry in two.history]


def process_files(parent):
    """What each child of a process was started with."""
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        yield from (Path(f"/proc/{child}/environ") for child in children.read_text().split())


class Fake(Ranks):
    """One of several ranks whose messages are put in its hand."""

    def __init__(self, rank, size, messages=None):
        self.rank, self.size, self.messages, self._losses, self.device = rank, size, messages, [], torch.device("cpu")

    def _from_all(self, value):
        self.sent = value
        return self.messages or [value]


def test_scoring_is_spread_without_padding_and_merges_to_the_last_bit(store):
    """Three ranks score 7 slices' worth of batches: the third has none of its own, and nothing is counted twice."""
    torch.manual_seed(0)
    model = lab.BaselineNet(store.shape).eval()
    rows = np.random.default_rng(0).integers(0, len(store), SCORED + 7)  # two batches
    dataset, loss = lab.SliceDataset(store, rows), nn.functional.binary_cross_entropy_with_logits
    whole = lab.evaluate(model, dataset, loss)
    ranks = [Fake(rank, 3) for rank in range(3)]
    found = [lab.evaluate(model, rank.shared_data(dataset, dataset)[1], rank.shared_loss(loss)) for rank in ranks]
    messages = [(np.stack([one.tp, one.fp, one.fn, one.tn, one.centroid_distance]), list(rank._losses))
                for one, rank in zip(found, ranks, strict=True)]
    for rank, mine in zip(ranks, found, strict=True):
        rank.messages = messages
        merged = rank._merged(mine)
        assert merged.loss == whole.loss
        for name in ("tp", "fp", "fn", "tn", "centroid_distance"):
            assert np.array_equal(getattr(merged, name), getattr(whole, name), equal_nan=True)


def test_ranks_with_other_settings_are_refused(store):
    ranks = Fake(0, 2)
    ranks.about = {"hosts": ["a"]}
    ranks.agree(LONG, store)
    ranks.messages = [ranks.sent, {**ranks.sent, "slices": "another"}]
    with pytest.raises(lab.DataError, match="rank 1 has other slices than rank 0"):
        ranks.agree(LONG, store)


def test_a_network_that_normalises_over_its_batch_is_refused():
    with pytest.raises(lab.DataError, match="BatchNorm2d works on each process's part of a batch by itself"):
        Fake(0, 2).shared_model(nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1)))


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with process_group() as ranks:
        assert type(ranks) is OneProcess and ranks.writes


def test_a_process_that_nobody_meets_ends_in_one_line(monkeypatch):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    place = {"TORCHELASTIC_RUN_ID": "alone", "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    for name, value in (place | {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 2}).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(distributed, "MEETING", timedelta(seconds=1))
    with pytest.raises(lab.DataError, match="did not all meet within 1 s"), process_group():
        pass


def test_processes_that_are_started_again_find_one_another_and_none_of_the_dead():
    """One store for three starts, as torchrun has it; the second rank of the last one comes late."""
    store = HashStore()

    def start(rank, late=0.0):
        time.sleep(late)
        part = store_of_this_start(store, rank, 3)
        part.set(f"address {rank}", f"{rank} of {number}")
        return [part.get(f"address {other}").decode() for other in range(3)]

    for number in range(3):
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(start, range(3), [0.0, 0.3 * number, 0.0]))
        assert found == [[f"{rank} of {number}" for rank in range(3)]] * 3
