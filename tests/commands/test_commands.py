"""The command line as a user meets it: what it says where, what it asks, and what becomes of mistakes."""

import io
import os
import shlex
import shutil
import subprocess
import sys

import pytest

import atlas_lab as lab
from atlas_lab.cli import main, parser
from atlas_lab.system.progress import QUIET


@pytest.fixture
def terminal(monkeypatch):
    """Answers as typed on a terminal."""
    def answer(text):
        stdin = io.StringIO(text)
        stdin.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", stdin)
    return answer


def refused(capsys, *words):
    """The one line, or the last, with which a command is refused."""
    try:
        code = main(list(words))
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert code == 2 and out == ""
    return err.splitlines()[-1]


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"atlas-lab {lab.__version__}\n"


@pytest.mark.parametrize("words, text", [
    (["tran"], "there is no command 'tran'; did you mean train?"),
    (["train", "--epoch", "3"], "did you mean --epochs?"),
    (["train", "epoch=3"], "'epoch=3' is not a setting; did you mean epochs?"),
    (["runs", "nowhere"], "nowhere: there is no such folder"),
    (["completion", "fish"], "invalid choice: 'fish'"),
    (["sweep", "--seeds", "-1"], "no whole number from 1 on"), (["sweep", "--seeds", "0"], "no whole number from 1 on"),
    (["check", ".", "--jobs", "0"], "neither a whole number from 1 on nor -1"),
    (["check", "~nobody-here/data"], "~nobody-here/data: no such folder"),
    (["cohort", "--out", "c", "--subjects", "0"], "no whole number from 1 on"),
    (["train", "seed=18446744073709551616"], "from 0 to 4294967295"),
])
def test_typical_mistakes_are_refused_in_one_line(words, text, capsys):
    assert text in refused(capsys, *words)


@pytest.mark.parametrize("choices", ["'cohort', 'check', 'train'", "cohort, check, train"])
def test_a_misspelt_command_is_known_however_python_lists_the_choices(choices, capsys):
    with pytest.raises(SystemExit):
        parser().error(f"argument COMMAND: invalid choice: 'trian' (choose from {choices})")
    assert "there is no command 'trian'; did you mean train?" in capsys.readouterr().err


def test_a_share_with_no_run_in_it_ends_well(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for more in ([], ["--estimate"]):
        assert main(["sweep", "--only", "6/6", *more]) == 0
        assert "no run is in the share 6/6" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["controls", "sweep", "train"])
def test_the_help_says_where_records_go(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"{'controls' if command == 'controls' else 'runs'}/ in" in capsys.readouterr().out


def test_a_seed_below_0_leaves_nothing_behind(tmp_path, capsys):
    assert "seed is -1; expected 0 or more" in refused(capsys, "cohort", "--out", str(tmp_path / "c"), "--seed", "-1")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("words", [["train", "--exclude", "031768/t01", "epochs=3", "split_by=subject"],
                                   ["train", "epochs=3", "--exclude", "031768/t01", "split_by=subject"]])
def test_what_follows_an_excluded_scan_is_not_taken_for_one(words, monkeypatch):
    seen = []
    monkeypatch.setattr("atlas_lab.commands.training._run_train", seen.append)
    assert main(words) == 0
    assert seen[0].exclude == ["031768/t01"] and seen[0].settings == ["epochs=3", "split_by=subject"]


def test_several_scans_are_excluded_by_name_after_name():
    options = parser().parse_args(["check", "--exclude", "a/t01", "root", "--exclude", "b/t01"])
    assert options.exclude == ["a/t01", "b/t01"]
    assert parser().parse_args(["check", "root"]).exclude == []


def test_a_bare_sweep_says_what_it_would_be_and_ends_where_nobody_can_be_asked(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    monkeypatch.setattr("atlas_lab.experiment.sweep.sweep", lambda *_, **__: pytest.fail("it was trained"))
    assert "5 runs of 10 epochs, the course profile's own" in refused(capsys, "sweep")


@pytest.mark.parametrize("answer, code", [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_a_bare_sweep_asks_on_a_terminal(answer, code, capsys, monkeypatch, terminal):
    trained = []
    monkeypatch.setattr("atlas_lab.experiment.sweep.sweep", lambda configs, *_, **__: trained.extend(configs))
    terminal(answer)
    assert main(["sweep"]) == code
    out = capsys.readouterr().out
    assert out.count("\nbaseline-w100-by-slice-e10-seed") == 5 and "[y/N]" in out
    assert len(trained) == (5 if code == 0 else 0)


def test_training_says_how_far_it_is_on_stderr_and_what_it_came_to_on_stdout(tree, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ATLAS_DATA", str(tree))
    command = ["train", "--profile", "quick", "z_step=20", "--out", str(tmp_path)]
    assert main([*command, "epochs=2"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 and out.startswith("dev Dice ") and "epoch" not in out
    first, second = (line for line in err.splitlines() if line.startswith("epoch"))
    assert first.endswith("left") and "left" not in second
    assert main([*command, "epochs=1", "-q"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("dev Dice ") and err == ""
    assert QUIET not in os.environ
    assert main(["runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("batch_size=20 " in line and "z_step=20" in line for line in lines[:2])
    (tmp_path / "broken.json").write_text("{}")
    assert main(["runs", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == lines and "broken.json: not a run record" in err


def test_without_any_record_the_list_is_empty_and_says_where_it_looked(capsys):
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.startswith("0 records in ")


@pytest.mark.skipif(os.name != "posix" or not shutil.which("sh"), reason="a command of POSIX shells")
def test_the_command_that_a_cohort_prints_works_from_any_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "my cohorts").mkdir()
    monkeypatch.chdir(tmp_path / "my cohorts")
    monkeypatch.setattr("atlas_lab.phantom.cohort.make_cohort", lambda out, *_, **__: out)
    assert main(["cohort", "--out", "it's one"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    code = "import os; print(os.environ['ATLAS_DATA'])"
    told = subprocess.check_output(["sh", "-c", f"{line}; {shlex.quote(sys.executable)} -c {shlex.quote(code)}"],
                                   text=True, cwd="/")
    assert told == f"{tmp_path / 'my cohorts' / chr(34)}".rstrip('"') + "it's one\n"


def test_a_learner_s_notebook_is_never_overwritten(tmp_path, capsys):
    assert main(["notebooks", str(tmp_path)]) == 0
    assert main(["notebooks", str(tmp_path)]) == 0  # nothing was changed: nothing is lost
    mine = tmp_path / "notebooks" / "03_the_baseline.ipynb"
    mine.write_text("my work")
    (tmp_path / "notebooks" / "01_explore_the_data.ipynb").unlink()
    capsys.readouterr()
    assert "03_the_baseline.ipynb is there already" in refused(capsys, "notebooks", str(tmp_path))
    assert mine.read_text() == "my work" and not (tmp_path / "notebooks" / "01_explore_the_data.ipynb").exists()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_commands_and_settings(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    asked = 'COMP_WORDS=(atlas-lab {}); COMP_CWORD={}; _shtab_atlas_lab; echo "${{COMPREPLY[@]}}"'
    def completed(words, at):
        return subprocess.check_output(["bash", "-c", script + asked.format(words, at)], text=True).split()
    assert completed("tr", 1) == ["train"]
    assert "--split-by" in completed("train --sp", 2)


@pytest.mark.parametrize("words, said", [
    (["unlock", "."], "a folder"), (["view", "."], "a folder"), (["sweep", "weights", "--price", "nan"], "no amount"),
    (["train", "net=unet", "width=999999"], "from 1 to 512"), (["train", "kernels=3-500"], "from 1 to 49"),
    (["train", "batch_size=99999999999999999999"], "from 1 to 2147483647"),
    (["figures", "--out", __file__], "a part of the path is a file"),
])
def test_what_can_not_be_done_is_refused_before_any_work(words, said, capsys):
    assert said in refused(capsys, *words)
