"""Recurrent layers and self-attention of PyTorch, in a process of its own, as recurrent_native.cc measures normkit's: forward passes
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


def main():
    layer, lengths, channels, hidden, threads = sys.argv[1], *sys.argv[2:6]
    lengths = [int(length) for length in lengths.split(",")]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    if layer == "attention":
        network = Attention(int(hidden), lengths)
        x = torch.randn(len(lengths), max(lengths), int(hidden))
    else:
        kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[layer]
        network = kind(int(channels), int(hidden))
        x = torch.randn(max(lengths), len(lengths), int(channels))
    packed = layer != "attention" and len(set(lengths)) > 1
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
