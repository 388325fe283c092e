"""What the lab asks of the machine: locks that die with their owner, what git would do with a file, bars and lines.

It stands below everything and imports nothing of the lab.
"""

__all__ = []
