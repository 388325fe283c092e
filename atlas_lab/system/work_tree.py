"""Whether git would take up a file: patients' data must not get into a repository, whichever it is."""

import os
import subprocess
from pathlib import Path

from atlas_lab.system.disk import same_place

__all__ = ["ALLOW", "git", "open_work_tree", "tree_that_takes_up"]

ALLOW = "atlas-lab.patients"  # git setting by which a work tree, a private one, says that it may hold patients' data
PATIENCE = 20  # seconds for git to answer
QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")  # a foreign tree's settings start nothing


def open_work_tree(path: Path) -> Path | None:
    """The git work tree in which a file would lie where git could take it up; None if it can't get there.

    It can't outside of work trees, where git ignores the path, or where `git config atlas-lab.patients true` allows it.
    Where git doesn't answer, because it is not installed, say, the answer is the work tree.

    Parameters
    ----------
    path : path of a file, absolute, links followed; it may not exist yet
    """
    tree = next((folder for folder in path.parents if (folder / ".git").exists()), None)
    if tree is None or git(tree, "check-ignore", "--quiet", "--", str(path)) == (0, ""):
        return None
    return None if git(tree, "config", "--type=bool", "--get", ALLOW) == (0, "true") else tree


def tree_that_takes_up(path: Path, download: Path) -> Path | None:
    """`open_work_tree`; also `download`, a repository that is here without git, if a path lies in it, but in its data/.

    Folders are compared as the file system does, so that no other spelling gets by.
    """
    if any((folder / ".git").exists() for folder in path.parents):
        return open_work_tree(path)
    above = (path, *path.parents)
    is_inside = any(same_place(folder, download) for folder in above)
    return download if is_inside and not any(same_place(folder, download / "data") for folder in above) else None


def git(tree: Path, *arguments: str) -> tuple[int, str]:
    """git's exit code and answer, whatever the caller's environment tells git to look at; (-1, "") without one."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ran = subprocess.run(["git", *QUIET, "-C", str(tree), *arguments], capture_output=True, text=True, env=clean,
                             stdin=subprocess.DEVNULL, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return ran.returncode, ran.stdout.strip()
