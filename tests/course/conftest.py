"""What the tests of checks share."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Small sums on many threads take longer, not shorter."""
    torch.set_num_threads(1)
