"""A sweep on a Dask cluster: the records of one machine, whatever happens to a worker."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

import atlas_lab as lab
from atlas_lab.cli import main
from atlas_lab.config import with_seeds
from atlas_lab.experiment import cluster as cluster_module
from atlas_lab.experiment.cluster import cluster_at, train_on_cluster
from atlas_lab.experiment.run import run_to_dict

get_worker = pytest.importorskip("distributed").get_worker
CONFIG = lab.RunConfig(epochs=2, batch_size=20, z_step=20)


@pytest.fixture
def store(scans):
    return lab.prepare_slices(scans, scale=4, z_step=20, jobs=1, progress=False)


@pytest.fixture
def local_cluster(tmp_path):
    """Makes a cluster of workers inside this process, with so many threads each."""
    from distributed import LocalCluster

    made = []

    def make(threads):
        made.append(LocalCluster(n_workers=1, threads_per_worker=threads, processes=False, dashboard_address=":0",
                                 protocol="tcp", local_directory=tmp_path / "dask"))
        return made[-1].scheduler_address

    yield make
    for one in made:
        one.close()


@pytest.fixture
def real_cluster(tmp_path):
    """Address of a scheduler, and two workers, as processes of their own."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    quiet["env"] = {**os.environ, "OMP_NUM_THREADS": "1"}
    dask, file = [sys.executable, "-m", "dask"], tmp_path / "scheduler.json"
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    started = [subprocess.Popen(scheduler, **quiet)]
    worker = [*dask, "worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    yield file, started[1:]
    for process in started:
        process.kill()
        process.wait()


def address_in(file):
    """The address that a scheduler has written to its file."""
    from distributed import Client

    with Client(scheduler_file=str(file), timeout=60) as client:
        client.wait_for_workers(2, timeout=60)
        return client.scheduler_info()["address"]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_a_sweep_on_a_cluster_that_loses_a_worker_gives_one_machine_s_records(store, real_cluster, tmp_path):
    configs = with_seeds([CONFIG, replace(CONFIG, pool="avg")], range(3))
    file, workers = real_cluster
    address, lines = address_in(file), []

    def report(line):
        lines.append(line)
        if line.startswith("1/6"):
            os.kill(workers[0].pid, signal.SIGKILL)

    swept = lab.sweep(configs, store, tmp_path / "dask", report=report, backend="dask", address=address)
    assert [run.config for run in swept] == configs and len(list((tmp_path / "dask").glob("*.json"))) == 6
    assert workers[0].wait(60) == -signal.SIGKILL
    torch.set_num_threads(1)
    for run in swept:
        alone = lab.run_experiment(run.config, store, lambda line: None, fresh=True)
        assert lab.experiment.compare_runs(run, alone).identical and run.examples == alone.examples
        assert run_to_dict(run)["final"] == run_to_dict(alone)["final"]
        assert {entry["made_by"]["host"] for entry in run.history} == {alone.history[0]["made_by"]["host"]}


def test_a_worker_seldom_looks_at_itself_while_it_trains(store, local_cluster, monkeypatch):
    address, seen, train = local_cluster(1), [], cluster_module.train_alone

    def times(dask_worker):
        callbacks = dask_worker.periodic_callbacks
        assert callbacks["heartbeat"].is_running()
        return {name: callbacks[name].callback_time for name in ("profile", "tick") if callbacks[name].is_running()}

    def looked_at(*args):
        seen.append(times(get_worker()))
        return train(*args)

    monkeypatch.setattr(cluster_module, "train_alone", looked_at)
    with cluster_at(address) as client:
        (before,) = client.run(times).values()
        run, line = next(train_on_cluster(client, [CONFIG], [(store, None, None)], lambda epochs: None))
        (after,) = client.run(times).values()
    assert run is not None, line
    assert before["profile"] < 100 and before["tick"] < 100
    assert seen == [{"profile": 1000, "tick": 1000}] and after == before


def test_workers_of_several_threads_are_refused(store, local_cluster, tmp_path):
    with pytest.raises(lab.DataError, match=r"this worker has 2 threads.*start workers with --nthreads 1"):
        lab.sweep([CONFIG], store, tmp_path / "runs", backend="dask", address=local_cluster(2))
    assert not list((tmp_path / "runs").glob("*.json"))


def test_workers_with_other_code_are_refused(local_cluster, monkeypatch):
    address, versions = local_cluster(1), iter(["mine", "theirs"])
    monkeypatch.setattr(cluster_module, "_own_code", lambda: next(versions))
    with pytest.raises(lab.DataError, match="another version of atlas_lab"), cluster_at(address):
        pass


def test_a_run_that_ends_early_leaves_the_others(store, local_cluster, tmp_path):
    broken = replace(CONFIG, learning_rate=1e30, loss="tversky")
    with pytest.raises(lab.DataError, match=r"1 of 2 runs ended early, without a record: .*the loss of epoch"):
        lab.sweep([broken, CONFIG], store, tmp_path, backend="dask", address=local_cluster(1))
    assert [run.config for run in lab.load_runs(tmp_path)] == [CONFIG]


def test_a_scheduler_that_is_not_there_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cluster_module, "WAIT", 1)
    with pytest.raises(lab.DataError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers"), cluster_at(
            "tcp://127.0.0.1:9"):
        pass
    with pytest.raises(lab.DataError, match="no Dask scheduler answers"):  # before any slices are made
        lab.sweep([CONFIG], pytest.fail, tmp_path, backend="dask", address="tcp://127.0.0.1:9")
    assert main(["sweep", "--profile", "quick", "--seeds", "1", "--backend", "dask"]) == 2
    assert "dask takes its scheduler's address" in capsys.readouterr().err


def test_a_worker_that_does_not_see_the_slices_gets_a_copy_once(store, local_cluster, tmp_path, monkeypatch):
    address = local_cluster(1)
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / "of_the_worker"))
    monkeypatch.setattr(cluster_module, "Path", lambda path: tmp_path / "not_seen" / os.path.basename(path))
    with cluster_at(address) as client:
        place = cluster_module._hand_out(client, store)
        found = cluster_module._found_here(*place)
        assert found == tmp_path / "of_the_worker" / "slices" / store.folder.name
        written = (found / "about.json").stat().st_mtime_ns
        cluster_module._hand_out(client, store)
    assert (found / "about.json").stat().st_mtime_ns == written
    copied = lab.experiment.cluster.open_store(found)
    assert (copied.images == store.images).all() and (copied.masks == store.masks).all()
    monkeypatch.setattr(cluster_module, "LARGEST_COPY", 1000)
    monkeypatch.setenv("ATLAS_LAB_HOME", str(tmp_path / "another"))
    with cluster_at(address) as client, pytest.raises(lab.DataError, match="too many to send"):
        cluster_module._hand_out(client, store)
