"""Normalizations for PyTorch on normkit's operation: modules, and `replace` for models that are there already.

    import normkit.torch
    print(normkit.torch.replace(model))

On processors they run faster, with the same bits for any number of threads and statistics exact at any mean; elsewhere
they are PyTorch's. docs/python.md has the rest.
"""

from ._modules import *  # noqa: F403
from ._modules import __all__ as _module_names
from ._replace import Report, replace, restore
from ._sync import SyncBatchNorm

__all__ = ["Report", "SyncBatchNorm", "replace", "restore", *_module_names]
