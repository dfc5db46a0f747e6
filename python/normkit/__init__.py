"""The normalization layers of deep learning, exact and fast, on anyone's arrays: docs/python.md.

Functions (`layer_norm` and others) and `Normalization` work on arrays that speak DLPack or the buffer protocol;
`normkit.torch` has modules with gradients, `train` and `Network` whole networks, `normkit.sklearn` a classifier.
"""

from ._conventions import *  # noqa: F403
from ._conventions import __all__ as _convention_names
from ._core import DivergedError, Error, __version__, num_threads, set_num_threads
from ._functions import *  # noqa: F403
from ._functions import __all__ as _function_names
from ._networks import *  # noqa: F403
from ._networks import __all__ as _network_names

__all__ = [
    "DivergedError", "Error", "__version__", "num_threads", "set_num_threads", *_convention_names, *_function_names,
    *_network_names,
]  # fmt: skip
