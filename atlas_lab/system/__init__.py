"""What the lab asks of the machine: locks that die with their owner, and what git would do with a file.

It stands below everything and imports nothing of the lab.
"""

__all__ = []
