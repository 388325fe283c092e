"""What comes with the code: records, notebooks, teaching files. In a clone beside the package, in a wheel inside it."""

from pathlib import Path

__all__ = ["IN_A_CLONE", "SHIPPED", "SHIPPED_NETWORK"]

_PACKAGE = Path(__file__).resolve().parents[1]
IN_A_CLONE = (_PACKAGE.parent / "pyproject.toml").is_file()
SHIPPED = _PACKAGE.parent if IN_A_CLONE else _PACKAGE / "shipped"  # setup.py fills it as a wheel is built
SHIPPED_NETWORK = SHIPPED / "figures" / "people" / "network.pt"  # its model card lies beside it
