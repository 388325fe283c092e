"""Writes the buttons that open the lab elsewhere (Colab, Binder, the site) into README.md, where it has its marks.

Run: python docs/buttons.py, after the addresses were filled in in pyproject.toml, [tool.atlas-lab]. An address that is
empty has no button. Opening the lab on Colab or Binder was not tried: it needs a public repository.
"""

import tomllib
from pathlib import Path

from atlas_lab.files import REPOSITORY
from atlas_lab.paper.tables import write_block

FIRST = "notebooks/01_explore_the_data.ipynb"


def addresses(project: Path = REPOSITORY / "pyproject.toml") -> dict[str, str]:
    """The addresses of the repository on GitHub and of the site; empty until a person has filled them in."""
    return tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["atlas-lab"]


def buttons(repository: str, site: str) -> str:
    """The buttons in Markdown; nothing where there is no address."""
    found = {}
    if repository:
        name = repository.removesuffix(".git").rstrip("/").removeprefix("https://github.com/")
        found["Open in Colab"] = f"https://colab.research.google.com/github/{name}/blob/main/{FIRST}"
        found["Open in Binder"] = f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/notebooks"
    if site:
        found["Read as a site"] = site
    line = " · ".join(f"[**{text}**]({address})" for text, address in found.items())
    first = f"On Colab run first: `%pip install git+{repository}`\n" if repository else ""
    return "\n".join(part for part in (line, first) if part) + ("\n" if line and not first else "")


if __name__ == "__main__":
    write_block(REPOSITORY / "README.md", "buttons", buttons(**addresses()))
