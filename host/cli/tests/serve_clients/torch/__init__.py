"""Stands in for PyTorch, of which guidellm uses one class: an iterator over its requests. The real one weighs gigabytes."""

from . import utils


class Generator:
    def manual_seed(self, seed):
        return self


class Tensor:
    """Nothing is one: `datasets` asks of every object whether it is."""


class nn:
    class Module:
        """Nothing is one either."""
