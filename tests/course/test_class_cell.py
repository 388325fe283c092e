"""Cells as Jupyter takes them: what is right there gives the same functions here, and nothing is run."""

import json

import pytest

from atlas_lab.course.class_source import read_source

DOUBLE = "def my_f(x):\n    return 2 * x"


def source_of(tmp_path, *cells):
    """What is read of a notebook with these code cells."""
    values = {"cells": [{"cell_type": "code", "source": text} for text in cells]}
    (tmp_path / "01_a.ipynb").write_text(json.dumps(values))
    return read_source(tmp_path / "01_a.ipynb")


def value_of(source, argument):
    """What the function `my_f` of a notebook makes of an argument."""
    names = {}
    for statement in source.statements:
        exec(statement, names)
    return names["my_f"](argument)


@pytest.mark.parametrize(("cell", "expected"), [
    ("def my_f(x):\n    return (x\n            % 4\n            )", 3),
    ("def my_f(x):\n    return (x\n!= 7)", False),
    (DOUBLE + "\n\nmy_f?", 14),
    (DOUBLE + "\n\n??my_f", 14),
    ("t = %timeit -o 1+1\n" + DOUBLE, 14),
    ("files = !ls\n" + DOUBLE, 14),
    ("# one\u2028line\n" + DOUBLE, 14),
    ("\r\n".join(["# typed on Windows", *DOUBLE.split("\n")]), 14),
    ("    def my_f(x):\n        return 2 * x", 14),
    ("%%time\n" + DOUBLE, 14),
    ("\n%%capture out\n%matplotlib inline\n" + DOUBLE, 14),
    ("def my_f(x):\n    %time y = 1\n    !touch never\n    return 2 * x", 14),
    ("text = '''\n%d of\n'''\n\n\ndef my_f(x):\n    return text % x", "\n7 of\n"),
])
def test_what_runs_in_jupyter_is_read_as_it_is_meant(tmp_path, cell, expected):
    source = source_of(tmp_path, cell)
    assert source.broken == {} and value_of(source, 7) == expected


def test_a_later_cell_that_is_right_mends_an_earlier_one(tmp_path):
    broken = "def my_f(x):\n    return x["
    source = source_of(tmp_path, broken, DOUBLE)
    assert source.broken == {} and value_of(source, 7) == 14
    assert "SyntaxError" in source_of(tmp_path, DOUBLE, broken).broken["my_f"]


def test_an_import_that_is_tried_is_run_and_a_training_isnt(tmp_path):
    tried = "try:\n    import math as m\n    import no_such_module\nexcept ImportError:\n    print('without')"
    source = source_of(tmp_path, tried, "try:\n    train()\nexcept NameError:\n    pass",
                       "def my_f(x):\n    return m.sqrt(x)")
    assert len(source.statements) == 2 and value_of(source, 49) == 7


def test_a_cell_that_would_take_hours_to_read_is_told(tmp_path):
    assert "signs" in source_of(tmp_path, "%time\n" * 20_000 + DOUBLE).broken["my_f"]
