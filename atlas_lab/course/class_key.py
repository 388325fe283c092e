"""The teacher's key of a class: a secret that draws the hidden cases, and the order of the quizzes' choices."""

import hashlib
import json
import random
import secrets
from dataclasses import dataclass
from pathlib import Path

from atlas_lab.course.class_files import STUDENTS, refuse_students_in_repository
from atlas_lab.files import DataError, write_json
from atlas_lab.system.disk import read_plain
from atlas_lab.system.shipped import SHIPPED

__all__ = ["LETTERS", "QUIZZES", "Key", "load_quizzes", "new_key", "read_key", "save_key"]

QUIZZES = SHIPPED / "teaching" / "quizzes.json"
LETTERS = "abcdefgh"
LARGEST = 100_000  # bytes of a key's file


@dataclass(frozen=True)
class Key:
    """A class's secret.

    Attributes
    ----------
    secret : str
        Whoever has it can draw the cases; never in the students' copies.
    parts : tuple of str
        The notebooks that it was made for, as in ("01", "02").
    """

    secret: str
    parts: tuple[str, ...]

    def of(self, name: str) -> str:
        """The key of one exercise's cases: who sees it can't draw those of another."""
        return hashlib.sha256(f"{self.secret}\n{name}".encode()).hexdigest()

    def mark(self) -> str:
        """Twelve digits that tell what was built with this key from other; neither cases nor answers follow from them.

        A digest of the answers themselves would give them away: there are few to try.
        """
        return self.of("mark of the key")[:12]

    def choices(self, part: str, number: int, question: dict) -> list[tuple[str, str, bool]]:
        """(letter, text, whether it is right) of a question's choices, in this class's order."""
        texts = [(question["right"], True), *((wrong, False) for wrong in question["wrong"])]
        random.Random(f"{self.secret}\n{part}\n{number}").shuffle(texts)
        return [(letter, text, is_right) for letter, (text, is_right) in zip(LETTERS, texts, strict=False)]

    def quiz(self, part: str) -> dict[str, str]:
        """Question -> the letter that is right: {"03.1": "b"}."""
        return {f"{part}.{number}": next(letter for letter, _, is_right in self.choices(part, number, question)
                                         if is_right)
                for number, question in enumerate(load_quizzes().get(part, []), start=1)}


def load_quizzes() -> dict[str, list[dict]]:
    """Part -> its questions: question, right, wrong (a list), why."""
    return json.loads(QUIZZES.read_text(encoding="utf-8"))


def new_key(parts: tuple[str, ...]) -> Key:
    """A key that nobody can guess."""
    return Key(secrets.token_hex(16), parts)


def save_key(path: Path, key: Key) -> None:
    """Write a key, readable to its owner alone, and never where git takes it up."""
    refuse_students_in_repository(path, "a class's key")
    write_json(path, {"secret": key.secret, "parts": list(key.parts)}, STUDENTS)


def read_key(path: Path) -> Key:
    """Read a key. Raises DataError if the file is none."""
    try:
        values = json.loads(read_plain(path, LARGEST))
        secret, parts = values["secret"], tuple(values["parts"])
        if not (isinstance(secret, str) and secret and all(isinstance(part, str) for part in parts)):
            raise ValueError("secret or parts are missing")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{path}: not the key of a class ({type(error).__name__}: {error}); give the key.json that "
                        "class build wrote") from error
    return Key(secret, parts)
