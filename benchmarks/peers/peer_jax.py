"""JAX: the norms as its users write them, compiled by XLA for each shape."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from cells import EPSILON, behind_a_sum


def layer_function(cell, arrays, with_moments=False):
    """f(x, gamma, beta) for the cell, in f32 whatever x is; with a residual f(x, residual, gamma, beta), which gives
    the sum as well; with moments f gives y, mean, variance."""
    if cell.residual:
        return behind_a_sum(layer_function(dataclasses.replace(cell, residual=False), arrays))
    channel = cell.format.index("C")
    rank = len(cell.shape)
    per_channel = [-1 if axis == channel else 1 for axis in range(rank)]
    others = tuple(axis for axis in range(1, rank) if axis != channel)
    shape, axes = cell.shape, {
        "layer": tuple(range(1, rank)),
        "rms": (rank - 1,),
        "batch": (0, *others),
        "instance": others,
        "group": others,
    }[cell.layer]  # fmt: skip
    if cell.layer == "group":  # the channels of a group are an axis of their own
        groups = (cell.num_groups, cell.channels // cell.num_groups)
        shape = (*shape[:channel], *groups, *shape[channel + 1 :])
        axes = tuple(axis for axis in range(1, rank + 1) if axis != channel)
    moments = [jnp.asarray(a).reshape(per_channel) for a in (arrays.mean, arrays.variance)]

    def function(x, gamma, beta):
        values = x.astype(jnp.float32).reshape(shape)
        if cell.op == "inference":
            mean, variance = moments
        elif cell.layer == "rms":
            mean, variance = 0, jnp.mean(values * values, axes, keepdims=True)
        else:
            mean = jnp.mean(values, axes, keepdims=True)
            variance = jnp.var(values, axes, keepdims=True)
        y = ((values - mean) * jax.lax.rsqrt(variance + EPSILON)).reshape(cell.shape)
        y = y * gamma.reshape(per_channel)
        y = (y if beta is None else y + beta.reshape(per_channel)).astype(x.dtype)
        return (y, mean, variance) if with_moments else y

    return function


def shared(array):
    """The array's memory as JAX's."""
    return jax.device_put(array, may_alias=True)


class Jax:
    name = "JAX"

    def version(self):
        return jax.__version__

    def set_threads(self, threads):
        self.threads = threads

    def prepare(self, cell, arrays):
        options = {"xla_cpu_multi_thread_eigen": self.threads > 1}

        def compiled(f, *arguments):
            return jax.jit(f).lower(*arguments).compile(compiler_options=options)

        function = layer_function(cell, arrays)
        parameters = [None if a is None else jnp.asarray(a) for a in (arrays.gamma, arrays.beta)]
        x = [shared(a) for a in arrays.x]
        results = {}  # kept until the call's next turn, as PyTorch's are
        last = [None]
        if cell.op == "backward":
            # From x: what a jitted function keeps for its gradient is nobody's to hand over, so XLA
            # computes the statistics once more.
            gradient = lambda dy, *of: jax.vjp(function, *of)[1](dy)  # noqa: E731
            dy = [shared(a) for a in arrays.dy]
            run = compiled(gradient, dy[0], x[0], *parameters)
            inputs = list(zip(dy, x))
        elif cell.residual:
            inputs = list(zip(x, map(shared, arrays.residual)))
            run = compiled(function, *inputs[0], *parameters)
        else:
            # Batch normalization in training is for the moving statistics as well: every other peer gives them.
            moments = cell.layer == "batch" and cell.op == "forward"
            outputs = layer_function(cell, arrays, True) if moments else lambda x, *of: (function(x, *of),)
            run = compiled(outputs, x[0], *parameters)
            inputs = [(a,) for a in x]

        def call_of(i):
            def call():
                results[i] = None
                results[i] = jax.block_until_ready(run(*inputs[i], *parameters))[0]
                last[0] = i

            return call

        return [call_of(i) for i in range(len(arrays))], lambda: np.asarray(results[last[0]])
