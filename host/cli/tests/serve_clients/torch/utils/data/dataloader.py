from typing import Generic, TypeVar

Item = TypeVar("Item")


class DataLoader(Generic[Item]):
    """Batches of one, in the order of the data."""

    def __init__(self, dataset, batch_size, collate_fn, shuffle=False, **settings):
        assert batch_size == 1 and not shuffle
        self.dataset, self.collate_fn = dataset, collate_fn

    def __iter__(self):
        return (self.collate_fn([item]) for item in self.dataset)
