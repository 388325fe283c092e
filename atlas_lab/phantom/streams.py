"""The random streams of a synthetic subject, so that each of its parts can change and leave the others."""

from enum import IntEnum

__all__ = ["SubjectStream"]


class SubjectStream(IntEnum):
    """The random numbers of a synthetic subject: numpy's generator of [cohort's seed, subject, stream]."""

    LESION_PLAN = 1
    LESION_GROWTH = 2
    HEAD = 3
    SCAN = 4        # and the session
    MASK_FILES = 5
    REAL_MASKS = 6  # in place of the subject: how often the real masks have been gone through
    MIRRORED = 7
    # Version 2 of the phantom: a stream for each purpose, so that one can be switched off and the others stay.
    TRAITS = 20     # age and atrophy
    SHAPE = 21
    MIMIC_PLAN = 22
    MIMICS = 23
    LOOK = 24       # of the lesion; and the component
    LESION = 25     # its textures; and the component
    RATER = 26
    SITTING = 27
    SKULL = 28
    SCANNER = 29    # contrast; with the session, what changes from scan to scan
    DRAWN_FILES = 30
    EVEN_COVER = 0xA71A5  # without a subject: where the sequences start that cover volumes and places evenly
