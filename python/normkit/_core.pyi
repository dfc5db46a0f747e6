from typing import Any, Callable, Optional, Sequence

__version__: str

class Error(ValueError): ...
class DivergedError(Error): ...

def set_num_threads(threads: int) -> None: ...
def num_threads() -> int: ...

_Lies = tuple[int, tuple[int, ...], tuple[int, ...], str, object]

def lies(array: Any) -> _Lies: ...
def lies_writable(array: Any) -> _Lies: ...

class PlanOptions:
    epsilon: float
    num_groups: int
    operation_dimension: str
    parameter_axes: str
    parameter_dtype: str
    scale_plus_one: bool
    activation: str
    negative_slope: float
    activation_alpha: float

class Reducer:
    def __init__(self, gather: Callable[[bytes], bytes], rank: int, ranks: int) -> None: ...
    @property
    def count(self) -> float: ...

class Plan:
    def __init__(
        self,
        layer: str,
        labels: str,
        shape: Sequence[int],
        dtype: str,
        strides: dict[str, list[int]],
        options: PlanOptions,
        reducer: Optional[Reducer] = None,
    ) -> None: ...
    def forward(self, *addresses: int) -> None: ...
    def forward_fused(self, *addresses: int) -> None: ...
    def inference(self, *addresses: int) -> None: ...
    def backward(self, *addresses: int) -> None: ...
    def describe(self, what: str) -> str: ...
    @property
    def kept(self) -> list[tuple[int, int]]: ...
    @property
    def num_statistics(self) -> int: ...
    @property
    def num_parameters(self) -> int: ...
    @property
    def num_running(self) -> int: ...
    @property
    def reduced_count(self) -> int: ...

def update_running(
    dtype: str,
    channels: int,
    mean: int,
    variance: int,
    count: int,
    mean_decay: float,
    variance_decay: float,
    count_minus_one: bool,
    running_mean: int,
    running_variance: int,
) -> None: ...
