"""PyTorch, eager and compiled."""

import dataclasses
import logging

import numpy as np
import torch
import torch.nn.functional as F

from cells import EPSILON, behind_a_sum

logging.getLogger("torch").setLevel(logging.ERROR)  # that there is no GPU is known


def tensor(array, cell=None):
    """The array's memory as a tensor; pictures channels last by strides, as PyTorch has them."""
    if array.dtype.itemsize == 2:
        result = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    else:
        result = torch.from_numpy(array)
    return result.permute(0, 3, 1, 2) if cell is not None and cell.channels_last else result


def layer_function(cell, arrays):
    """f(x, gamma, beta) for the cell; with a residual f(x, residual, gamma, beta), which gives the sum as well."""
    if cell.residual:
        return behind_a_sum(layer_function(dataclasses.replace(cell, residual=False), arrays))
    running = [tensor(a.copy()) for a in (arrays.mean, arrays.variance)]
    if cell.layer == "batch":
        training = cell.op != "inference"
        return lambda x, g, b: F.batch_norm(x, *running, g, b, training, 0.1, EPSILON)
    if cell.layer == "layer" and cell.format != "BC":  # of all but the observation, one parameter a channel
        return lambda x, g, b: F.group_norm(x, 1, g, b, EPSILON)
    if cell.layer == "layer":
        return lambda x, g, b: F.layer_norm(x, (cell.channels,), g, b, EPSILON)
    if cell.layer == "instance":
        return lambda x, g, b: F.instance_norm(x, None, None, g, b, True, 0.1, EPSILON)
    if cell.layer == "group":
        return lambda x, g, b: F.group_norm(x, cell.num_groups, g, b, EPSILON)
    return lambda x, g, b: F.rms_norm(x, (cell.channels,), g, EPSILON)


class PyTorch:
    def __init__(self, compiled):
        self.compiled = compiled
        self.name = "PyTorch compiled" if compiled else "PyTorch"

    def version(self):
        return torch.__version__

    def set_threads(self, threads):
        torch.set_num_threads(threads)

    def prepare(self, cell, arrays):
        torch._dynamo.reset()
        function = layer_function(cell, arrays)
        if self.compiled:
            function = torch.compile(function, dynamic=False)
        backward = cell.op == "backward"
        gamma = tensor(arrays.gamma).requires_grad_(backward)
        beta = None
        if arrays.beta is not None:
            beta = tensor(arrays.beta).requires_grad_(backward)
        if cell.layer == "rms" and cell.dtype == "bf16":
            gamma = gamma.detach().bfloat16().requires_grad_(backward)  # it mixes no types
        # The last result of each set of arrays is kept until its next call: its memory is there, and
        # as little in a cache as what the other peers write to.
        results = {}
        last = [None]

        def forward_call(i, *inputs):
            def call():
                results[i] = None
                with torch.inference_mode():
                    results[i] = function(*inputs, gamma, beta)
                last[0] = i

            return call

        def backward_call(i, x, dy):
            y = function(x, gamma, beta)
            wanted = (x, gamma) if beta is None else (x, gamma, beta)

            def call():
                results[i] = None
                results[i] = torch.autograd.grad(y, wanted, dy, retain_graph=True)[0]
                last[0] = i

            return call

        calls = []
        for i, (x, dy) in enumerate(zip(arrays.x, arrays.dy)):
            x = tensor(x, cell)
            if backward:
                calls.append(backward_call(i, x.detach().requires_grad_(), tensor(dy, cell)))
            elif cell.residual:
                calls.append(forward_call(i, x, tensor(arrays.residual[i], cell)))
            else:
                calls.append(forward_call(i, x))

        def result():
            y = results[last[0]]
            y = (y[0] if cell.residual else y).detach()
            return (y.permute(0, 2, 3, 1) if cell.channels_last else y).float().numpy()

        return calls, result
