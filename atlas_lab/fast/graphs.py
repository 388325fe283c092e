"""Steps of training on an NVIDIA GPU that are recorded once and replayed, for speed: the numbers stay the same."""

from contextlib import contextmanager

import torch

from atlas_lab.train import train_step

__all__ = ["RecordedStep"]

WARM_UP = 3  # steps before one is recorded: libraries make ready, and the optimizer its state


class RecordedStep:
    """A `train_step` that the processor starts as one: a CUDA graph of its hundreds of kernels.

    A small network's kernels take less time than the processor needs to start them one by one. The first steps of a
    shape of batch and a learning rate are plain ones; then one is recorded, and replayed from then on. A batch of
    another shape, such as the last of an epoch, is trained plainly. What a step draws at random is drawn anew in each.

    Only for one network, loss and optimizer, and for losses that leave the processor out: a replay never comes back to
    Python.
    """

    def __init__(self):
        self.key, self.seen = None, (None, 0)  # of what is recorded; and of the last plain steps, with their number
        self.stream = None

    def __call__(self, model, loss, optimizer, images, target, max_grad_norm=5.0) -> torch.Tensor:
        key = (images.shape, target.shape, *(group["lr"] for group in optimizer.param_groups), max_grad_norm)
        if key != self.key and self.seen == (key, WARM_UP):
            self._record(model, loss, optimizer, images, target, max_grad_norm)
            self.key = key
        if key == self.key:
            self.images.copy_(images)
            self.target.copy_(target)
            self.graph.replay()
            self.seen = (None, 0)  # the short batch of each epoch never adds up to a recording of its own
            return self.loss.clone()
        self.seen = (key, self.seen[1] + 1 if self.seen[0] == key else 1)
        self.stream = self.stream or torch.cuda.Stream(images.device)
        with _aside(self.stream):
            return train_step(model, loss, optimizer, images, target, max_grad_norm)

    def _record(self, model, loss, optimizer, images, target, max_grad_norm):
        """Record a step on copies of a batch, which every replay fills anew; nothing is computed yet."""
        self.images, self.target, self.graph = images.clone(), target.clone(), torch.cuda.CUDAGraph()
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["capturable"] = True  # Adam wants to be told; a fused one does nothing else for it
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.loss = train_step(model, loss, optimizer, self.images, self.target, max_grad_norm)
        for group in optimizer.param_groups:
            group["capturable"] = False


@contextmanager
def _aside(stream):
    """Work on a stream of its own, as a recording needs it, after what was begun before and before what follows."""
    usual = torch.cuda.current_stream(stream.device)
    stream.wait_stream(usual)
    with torch.cuda.stream(stream):
        yield
    usual.wait_stream(stream)
