"""Recurrent layers, self-attention and blocks of transformers of PyTorch, in a process of its own, as recurrent_native.cc measures normkit's: forward passes
in inference mode, and training passes, forward and backward to the parameters.

    recurrent_torch.py LAYER LENGTHS CHANNELS HIDDEN THREADS
"""

import json
import sys
import time

import torch
from torch.nn.utils.rnn import pack_padded_sequence


def times_of(run, seconds):
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


class Attention(torch.nn.Module):
    """Four heads, as wide as the input, over padded sequences whose padding is masked."""

    def __init__(self, width, lengths):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(width, 4, batch_first=True)
        padding = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        self.padding = padding if padding.any() else None

    def forward(self, x):
        return self.attention(x, x, x, key_padding_mask=self.padding, need_weights=False)


class Block(torch.nn.Module):
    """An encoder layer with the norms in front, over padded sequences whose padding is masked."""

    def __init__(self, width, lengths):
        super().__init__()
        self.block = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, activation="gelu",
                                                      batch_first=True, norm_first=True)  # fmt: skip
        padding = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
        self.padding = padding if padding.any() else None

    def forward(self, x):
        return (self.block(x, src_key_padding_mask=self.padding),)


class LayerNormLstm(torch.nn.Module):
    """Ba et al. 2016, of PyTorch's operations: x's part of all steps at once, the rest step by step, with padding."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.input = torch.nn.Linear(channels, 4 * hidden, bias=False)
        self.recurrent = torch.nn.Linear(hidden, 4 * hidden, bias=False)
        self.of_input = torch.nn.LayerNorm(4 * hidden)
        self.of_recurrent = torch.nn.LayerNorm(4 * hidden, bias=False)
        self.of_cell = torch.nn.LayerNorm(hidden)

    def forward(self, x):
        sums = self.of_input(self.input(x))
        h = c = x.new_zeros(x.shape[1], self.of_cell.normalized_shape[0])
        steps = []
        for step in sums.unbind(0):
            i, f, g, o = (step + self.of_recurrent(self.recurrent(h))).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.of_cell(c))
            steps.append(h)
        return (torch.stack(steps),)


def main():
    layer, lengths, channels, hidden, threads = sys.argv[1], *sys.argv[2:6]
    lengths = [int(length) for length in lengths.split(",")]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    if layer in ("attention", "transformer"):
        network = (Attention if layer == "attention" else Block)(int(hidden), lengths)
        x = torch.randn(len(lengths), max(lengths), int(hidden))
    else:
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "layer-norm-lstm": LayerNormLstm}[layer]
        network = kind(int(channels), int(hidden))
        x = torch.randn(max(lengths), len(lengths), int(channels))
    packed = layer in ("lstm", "gru") and len(set(lengths)) > 1
    if packed:
        x = pack_padded_sequence(x, lengths, enforce_sorted=False)
    with torch.no_grad():
        y = network(x)[0]
    dy = torch.randn_like(y.data if packed else y)

    def forward():
        with torch.inference_mode():
            network(x)

    def train():
        for parameter in network.parameters():
            parameter.grad = None
        output = network(x)[0]
        (output.data if packed else output).backward(dy)

    print(torch.__version__, flush=True)
    for line in sys.stdin:
        seconds = float(line) / 2
        print(json.dumps({"forward": times_of(forward, seconds), "training": times_of(train, seconds)}), flush=True)


if __name__ == "__main__":
    main()
