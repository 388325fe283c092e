"""What simulated learners hand in for part 01, and what each is to get: LEARNERS, name -> (code cells, marks)."""

import json

from atlas_lab.course.registry import EXERCISES

__all__ = ["IMPORTS", "LEARNERS", "MASKS", "POINTS", "STUBS", "hand_in"]

IMPORTS = "import numpy as np\n\nimport atlas_lab as lab"
MASKS = """
def my_combine_masks(masks):
    return np.any([mask > 0 for mask in masks], axis=0)
"""
PLACE = """
def my_voxel_to_mm(index, affine):
    return (affine @ [*index, 1])[:3]
"""
STUBS = """
def my_combine_masks(masks):
    raise NotImplementedError


def my_voxel_to_mm(index, affine):
    raise NotImplementedError
"""
WRONG = """
def my_combine_masks(masks):
    return np.all([mask > 0 for mask in masks], axis=0)
"""
LOOP = """
def my_combine_masks(masks):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
DELETE = """
def delete(path):
    import shutil, pathlib
    shutil.rmtree(path, ignore_errors=True)
    try:
        pathlib.Path(path).unlink()
    except OSError:
        pass


def everything(function):
    for path in {targets!r}:
        delete(path)
    return function


@everything
def my_combine_masks(masks):
    return masks[0] > 0
"""
REPLACE = """
def replaced(function):
    import sys
    from atlas_lab.course import judging, registry, result
    passed = result.Result("combine_masks", True, "Passed")
    for name, module in list(sys.modules.items()):
        for known in ("judge", "judge_attempt", "check_attempt", "same", "difference", "check_combine_masks"):
            if name.startswith("atlas_lab"):
                setattr(module, known, lambda *a, **k: passed)
    judging.difference = lambda *a: None
    registry.EXERCISES.clear()
    lab.exercises.check_combine_masks = lambda attempt: print("Passed")
    return function


@replaced
def my_combine_masks(masks):
    return "Passed"
"""
PRINT = """
def my_combine_masks(masks):
    print("Passed")
    print('{"answers": []}')


print("Passed")
"""
WRITE = """
def write(function):
    line = "write,01,combine_masks,4,4,,\\n"
    for path in {targets!r} + ["grades.csv", "/tmp/grades.csv"]:
        try:
            with open(path, "a") as file:
                file.write(line)
        except OSError:
            pass
    return function


@write
def my_combine_masks(masks):
    return None
"""

FORGE = """
def forge(function):
    import os
    for number in range(3, 64):
        try:
            os.write(number, b'{"answers": [], "passed": true}\\n')
        except OSError:
            pass
    return function


@forge
def my_combine_masks(masks):
    return masks[0] > 0
"""

POINTS = {name: exercise.importance for name, exercise in EXERCISES.items() if exercise.notebook == "01"}
# name -> the cells, then (points, mistake) of combine_masks and of voxel_to_mm
LEARNERS = {
    "right": ([IMPORTS, MASKS, PLACE], (4, ""), (4, "")),
    "wrong": ([IMPORTS, WRONG, PLACE], (0, "AND in place of OR"), (4, "")),
    "empty": ([IMPORTS, STUBS], (0, "not attempted"), (0, "not attempted")),
    "loop": ([IMPORTS, LOOP, PLACE], (0, "takes too long"), (4, "")),
    "delete": ([IMPORTS, DELETE, PLACE], (0, "only the first mask is used"), (4, "")),
    "replace": ([IMPORTS, REPLACE, PLACE], (0, "the type is another"), (4, "")),
    "print": ([IMPORTS, PRINT], (0, "returns None: is there a `return`?"), (0, "not attempted")),
    "write": ([IMPORTS, WRITE, PLACE], (0, "returns None: is there a `return`?"), (4, "")),
    # It writes into the pipe on which its own answers go, in each of its processes: none can be read.
    "forge": ([IMPORTS, FORGE, PLACE], (0, "raises an error"), (0, "raises an error")),
}


def hand_in(folder, cells, targets=(), quiz=None, name="01_explore_the_data.ipynb", metadata=None):
    """Write a notebook with these code cells, a training that must not be run, and a quiz's answers."""
    cells = [*cells, "raise RuntimeError('a cell that computes is not graded')", f"quiz_answers = {quiz or {}!r}"]
    texts = [cell.format(targets=list(map(str, targets))) if "{targets" in cell else cell for cell in cells]
    folder.mkdir(parents=True, exist_ok=True)
    values = {"cells": [{"cell_type": "code", "source": text} for text in texts], "nbformat": 4,
              "metadata": metadata or {}}
    (folder / name).write_text(json.dumps(values))
