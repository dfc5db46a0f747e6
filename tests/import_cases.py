"""Small networks for the importer, made with onnx: a name, the network, and what it reads."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

RANDOM = np.random.default_rng(1)
IMAGE = (2, 6, 9, 7)  # N, C, H, W


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


class Case:
    def __init__(self, name, nodes, feeds, constants=None, opset=17, outputs=("y",), dynamic=True):
        self.name, self.feeds, self.opset = name, feeds, opset
        inputs = [
            helper.make_tensor_value_info(
                key, helper.np_dtype_to_tensor_dtype(x.dtype),
                [f"{key}{i}" if dynamic else size for i, size in enumerate(x.shape)],
            )
            for key, x in feeds.items()
        ]  # fmt: skip
        graph = helper.make_graph(
            nodes, name, inputs,
            [helper.make_tensor_value_info(y, TensorProto.UNDEFINED, None) for y in outputs],
            [numpy_helper.from_array(np.asarray(x), key) for key, x in (constants or {}).items()],
        )  # fmt: skip
        for output in graph.output:
            output.ClearField("type")
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        self.model.ir_version = 8


def node(kind, inputs, outputs="y", **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def one(kind, opset=17, inputs="x", name="", constants=None, feeds=None, dynamic=True, **attributes):
    return Case(f"{kind}{name}", [node(kind, inputs, **attributes)], feeds or {"x": normal(*IMAGE)},
                constants, opset, dynamic=dynamic)  # fmt: skip


def element_cases():
    maps = ["Relu", "Tanh", "Sigmoid", "Softplus", "Softsign", "Exp", "Neg", "Abs", "Floor", "Ceil",
            "Round", "Erf", "Sin", "Cos", "Elu", "Selu", "Celu", "LeakyRelu", "ThresholdedRelu",
            "HardSigmoid", "HardSwish", "Identity", "Reciprocal"]  # fmt: skip
    yield from (one(kind) for kind in maps)
    yield one("Mish", 18)
    for text in ("none", "tanh"):
        yield one("Gelu", 20, name=f"_{text}", approximate=text)
    positive = {"x": np.abs(normal(*IMAGE)) + np.float32(0.1)}
    yield from (one(kind, feeds=positive) for kind in ("Log", "Sqrt"))
    for kind in ("Add", "Sub", "Mul", "Div", "Min", "Max"):
        yield one(kind, inputs="x b", name="_channels", constants={"b": normal(6, 1, 1)})
        yield one(kind, inputs="b x", name="_column", constants={"b": normal(7)})
        yield one(kind, inputs="x b", name="_both", feeds={"x": normal(*IMAGE), "b": normal(2, 6, 1, 7)})
    yield one("Pow", inputs="x b", feeds=positive, constants={"b": np.float32(2.5)})
    yield one("Mean", inputs="x b b", feeds={"x": normal(*IMAGE), "b": normal(1, 6, 1, 1)})
    yield one("PRelu", inputs="x s", constants={"s": normal(6, 1, 1)})
    yield one("Clip", name="_6", opset=7, min=-0.5, max=0.25)
    yield one("Clip", name="_11", inputs="x lo hi", constants={"lo": np.float32(-0.5), "hi": np.float32(0.25)})
    yield Case("Where", [node("Greater", "x b", "c"), node("Not", "c", "d"), node("Where", "d x b")],
               {"x": normal(*IMAGE)}, {"b": normal(6, 1, 1)})  # fmt: skip
    yield Case("Cast", [node("Cast", "x", "i", to=7), node("Mul", "i two", "d"), node("Cast", "d", to=1)],
               {"x": 9 * normal(*IMAGE)}, {"two": np.int64(2)})  # fmt: skip
    yield Case("Bytes", [node("Cast", "x", to=1)], {"x": RANDOM.integers(0, 256, IMAGE).astype(np.uint8)})


def window_cases():
    weights = {"w": normal(4, 6, 3, 2), "b": normal(4)}
    yield one("Conv", inputs="x w b", constants=weights)
    yield one("Conv", inputs="x w", name="_all", constants={"w": normal(4, 3, 3, 2)}, group=2, strides=[2, 1],
              dilations=[2, 3], pads=[1, 0, 3, 2])  # fmt: skip
    for same in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield one("Conv", inputs="x w b", name=f"_{same}", constants=weights, strides=[2, 2], auto_pad=same)
        yield one("ConvTranspose", inputs="x w", name=f"_{same}", constants={"w": normal(6, 4, 3, 4)},
                  strides=[2, 2], auto_pad=same)  # fmt: skip
    for rank, name in ((1, "_1d"), (3, "_3d")):
        x = {"x": normal(2, 6, *[5] * rank)}
        yield one("Conv", inputs="x w b", name=name, feeds=x,
                  constants={"w": normal(4, 6, *[3] * rank), "b": normal(4)}, pads=[1] * (2 * rank))  # fmt: skip
        yield one("ConvTranspose", inputs="x w b", name=name, feeds=x, strides=[2] * rank,
                  constants={"w": normal(6, 4, *[3] * rank), "b": normal(4)})  # fmt: skip
        yield one("MaxPool", name=name, feeds=x, kernel_shape=[2] * rank)
        yield one("InstanceNormalization", inputs="x w b", name=name, feeds=x,
                  constants={"w": normal(6), "b": normal(6)})  # fmt: skip
    yield one("ConvTranspose", inputs="x w b", name="_all", strides=[3, 2], group=2, output_padding=[1, 1],
              pads=[1, 0, 2, 1], dilations=[1, 2], constants={"w": normal(6, 2, 3, 2), "b": normal(4)})  # fmt: skip
    for more in ({}, {"auto_pad": "SAME_UPPER"}):
        yield one("ConvTranspose", inputs="x w", name=f"_output_shape{len(more)}", strides=[2, 2],
                  output_shape=[17, 15], constants={"w": normal(6, 4, 4, 4)}, **more)  # fmt: skip
    for kind in ("MaxPool", "AveragePool"):
        yield one(kind, kernel_shape=[3, 2])
        yield one(kind, name="_pads", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 2, 1])
        yield one(kind, name="_ceil", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)
        yield one(kind, name="_same", kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_LOWER")
    yield one("MaxPool", name="_dilations", kernel_shape=[2, 3], dilations=[2, 2])
    yield one("AveragePool", name="_counts", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    yield from (one(kind) for kind in ("GlobalAveragePool", "GlobalMaxPool"))
    yield one("LRN", size=5, alpha=0.5, beta=0.6, bias=1.5)  # odd, which ONNX Runtime asks for


def norm_cases():
    channels = {"w": normal(6), "b": normal(6)}
    statistics = {**channels, "m": normal(6), "v": np.abs(normal(6)) + np.float32(0.1)}
    for opset in (7, 9, 14, 15):
        yield one("BatchNormalization", opset, "x w b m v", f"_{opset}", statistics)
    yield one("BatchNormalization", inputs="x w b m v", name="_features", constants=statistics,
              feeds={"x": normal(4, 6)})  # fmt: skip
    yield one("InstanceNormalization", 7, "x w b", constants=channels, epsilon=1e-3)
    yield one("LayerNormalization", inputs="x w b", constants={"w": normal(7), "b": normal(7)})
    yield one("LayerNormalization", inputs="x w", name="_axis", constants={"w": normal(6, 9, 7)}, axis=1)
    yield one("LayerNormalization", inputs="x w b", name="_channels", axis=1,
              constants={"w": normal(6, 1, 1), "b": normal(6, 1, 1)})  # fmt: skip
    yield one("LayerNormalization", inputs="x w", name="_columns", constants={"w": normal(7)}, axis=2)
    yield one("GroupNormalization", 21, "x w b", constants=channels, num_groups=2)
    yield one("RMSNormalization", 23, "x w", constants={"w": normal(9, 7)}, axis=-2)
    yield one("MeanVarianceNormalization", 13)
    yield one("LpNormalization", 13)
    yield one("LpNormalization", 22, name="_channels", axis=1, p=2)
    yield one("LpNormalization", 13, name="_large", axis=-3, feeds={"x": 1e15 * normal(2, 6, 9, 7)})
    zeros = normal(4, 6)
    zeros[1] = 0  # which stay
    yield one("LpNormalization", 13, name="_features", feeds={"x": zeros}, axis=1)


def shape_cases():
    def ints(*values):
        return np.array(values, np.int64)

    for mode in ("constant", "reflect", "edge"):
        yield one("Pad", 7, name=f"_{mode}_7", mode=mode, pads=[0, 0, 2, 1, 0, 0, 0, 3])
        yield one("Pad", 13, "x p", f"_{mode}_13", {"p": ints(0, 1, 2, 1, 1, 0, 0, 3)}, mode=mode)
        yield Case(f"Pad_behind_conv_{mode}",
                   [node("Conv", "x w", "c"), node("Pad", "c p", "d", mode=mode), node("Conv", "d v")],
                   {"x": normal(*IMAGE)},
                   {"w": normal(4, 6, 3, 3), "v": normal(3, 4, 3, 3), "p": ints(0, 0, 1, 1, 0, 0, 2, 1)})  # fmt: skip
    yield one("Pad", 19, "x p", "_wrap", {"p": ints(0, 1, 2, 1, 1, 0, 0, 3)}, mode="wrap")
    yield one("Pad", 18, "x p v a", "_axes", {"p": ints(1, 2, 0, 3), "v": np.float32(1.5), "a": ints(-1, 2)})
    for mode in ("nearest", "linear"):
        yield one("Upsample", 7, name=f"_{mode}", mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
    places = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
    for mode in ("nearest", "linear", "cubic"):
        for place in places:
            for name, size in (("up", (2, 6, 13, 20)), ("down", (2, 6, 4, 3))):
                yield Case(f"Resize_{mode}_{place}_{name}",
                           [helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode=mode,
                                             coordinate_transformation_mode=place)],
                           {"x": normal(*IMAGE)}, {"s": ints(*size)})  # fmt: skip
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        yield Case(f"Resize_{rounding}",
                   [helper.make_node("Resize", ["x", "", "s"], ["y"], mode="nearest", nearest_mode=rounding)],
                   {"x": normal(*IMAGE)}, {"s": np.array([1, 1, 1.7, 0.6], np.float32)})  # fmt: skip
    yield one("Transpose", perm=[3, 0, 2, 1])
    for perm in ([0, 3, 1, 2], [0, 2, 3, 1]):
        yield one("Transpose", name=f"_{perm[1]}", perm=perm)
    # As TensorFlow's converter writes: channels last outside, and here and there inside.
    first, last = {"perm": [0, 3, 1, 2]}, {"perm": [0, 2, 3, 1]}
    for name, nodes in {
        "conv": [node("Transpose", "x", "t", **first), node("Conv", "t w", "c"), node("Transpose", "c", "y", **last)],
        "scaled": [node("Sub", "x m", "s"), node("Transpose", "s", "t", **first), node("Conv", "t w", "c"),
                   node("Relu", "c", "r"), node("ReduceMean", "r", "y", axes=[2, 3], keepdims=0)],
        "between": [node("Transpose", "x", "t", **first), node("Conv", "t w", "c"), node("Transpose", "c", "l", **last),
                    node("Add", "l b", "a"), node("Transpose", "a", "f", **first), node("Conv", "f v", "d"),
                    node("Transpose", "d", "y", **last)],
        "both": [node("Transpose", "x", "t", **first), node("Conv", "t w", "c"), node("Reshape", "x flat", "r"),
                 node("ReduceMean", "c", "g", axes=[1, 2, 3], keepdims=0), node("Unsqueeze", "g axes", "u"),
                 node("Add", "r u", "y")],
    }.items():
        yield Case(f"ChannelsLast_{name}", nodes, {"x": normal(2, 9, 7, 6)},
                   {"w": normal(5, 6, 3, 3), "v": normal(4, 5, 1, 1), "m": normal(6), "b": normal(5),
                    "flat": ints(2, 378), "axes": ints(1)})  # fmt: skip
    yield one("Flatten", axis=2)
    yield one("Reshape", inputs="x s", constants={"s": ints(0, -1, 7)})
    yield one("Squeeze", inputs="x a", constants={"a": ints(1)}, feeds={"x": normal(3, 1, 4)})
    yield one("Unsqueeze", 11, axes=[0, 4])
    yield one("Expand", inputs="x s", constants={"s": ints(2, 1, 9, 7)}, feeds={"x": normal(6, 1, 7)})
    yield one("Gather", inputs="x i", constants={"i": ints(3, 0, 2)}, axis=2)
    yield one("Slice", 9, starts=[1, -4], ends=[5, 100], axes=[1, 3], name="_9")
    yield one("Slice", inputs="x s e a t",
              constants={"s": ints(-1, 0), "e": ints(-100, 5), "a": ints(2, 1), "t": ints(-2, 2)})  # fmt: skip
    yield Case("Split", [node("Split", "x s", "a b", axis=1), node("Concat", "b a", axis=1)],
               {"x": normal(*IMAGE)}, {"s": ints(2, 4)})  # fmt: skip
    yield Case("Concat_behind_convs",
               [node("Conv", "x w", "a"), node("Conv", "x v", "b"), node("Concat", "a b", axis=1)],
               {"x": normal(*IMAGE)}, {"w": normal(4, 6, 1, 1), "v": normal(3, 6, 1, 1)})  # fmt: skip
    for kind in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceProd"):
        yield one(kind, 13, axes=[1, 3], keepdims=0)
    yield one("ReduceSum", inputs="x a", constants={"a": ints(-1, 0)})
    # As exporters write x.view(x.size(0), -1) and F.interpolate(x, size=y.shape[2:]).
    yield Case("Shapes",
               [node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0), node("Unsqueeze", "n axis", "m"),
                node("Concat", "m open", "t", axis=0), node("Reshape", "x t")],
               {"x": normal(*IMAGE)}, {"zero": np.int64(0), "axis": ints(0), "open": ints(-1)})  # fmt: skip
    yield Case("Fills",
               [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c",
                     value=numpy_helper.from_array(np.array([0.5], np.float32))), node("Add", "x c")],
               {"x": normal(*IMAGE)})  # fmt: skip
    # As of a standard deviation over n - 1 of n, and of heads that have to divide a width.
    yield Case("Counts",
               [node("Shape", "x", "s"), node("Gather", "s two", "n"), node("ReduceProd", "n", "m", keepdims=0),
                node("ReduceMax", "n", "k", keepdims=1), node("Mod", "m k", "r"), node("Sub", "r m", "q"),
                node("Cast", "q", "f", to=TensorProto.FLOAT), node("Mul", "x f")],
               {"x": normal(*IMAGE)}, {"two": ints(2, 3)})  # fmt: skip
    for mode in ("DCR", "CRD"):
        yield one("DepthToSpace", name=f"_{mode}", feeds={"x": normal(2, 12, 5, 4)}, blocksize=2, mode=mode)
        yield Case(f"Blocks_behind_conv_{mode}",
                   [node("Conv", "x w", "c"), node("DepthToSpace", "c", "d", blocksize=3, mode=mode),
                    node("Conv", "d v")],
                   {"x": normal(*IMAGE)}, {"w": normal(18, 6, 3, 3), "v": normal(3, 2, 3, 3)})  # fmt: skip
    yield one("SpaceToDepth", feeds={"x": normal(2, 3, 9, 6)}, blocksize=3)
    for upper in (0, 1):
        yield one("Trilu", name=f"_{upper}", upper=upper)
        yield one("Trilu", inputs="x k", name=f"_k_{upper}", constants={"k": np.int64(2 - 3 * upper)}, upper=upper)
    # The mask of causal attention.
    yield Case("Trilu_mask",
               [node("Shape", "x", "s"), node("ConstantOfShape", "s", "c",
                     value=numpy_helper.from_array(np.array([-10], np.float32))),
                node("Trilu", "c one", "m", upper=1), node("Add", "x m")],
               {"x": normal(*IMAGE)}, {"one": np.int64(1)})  # fmt: skip
    yield Case("Sizes_as_input", [helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="nearest")],
               {"x": normal(*IMAGE), "s": ints(2, 6, 4, 5)}, dynamic=False)  # fmt: skip


def product_cases():
    yield one("Gemm", inputs="x w b", constants={"w": normal(6, 5), "b": normal(5)}, feeds={"x": normal(4, 6)})
    yield one("Gemm", inputs="x w b", name="_all", constants={"w": normal(5, 6), "b": normal(4, 1)},
              feeds={"x": normal(6, 4)}, alpha=0.5, beta=2.0, transA=1, transB=1)  # fmt: skip
    yield one("MatMul", inputs="x w", constants={"w": normal(7, 5)})
    yield one("MatMul", inputs="x b", name="_both", feeds={"x": normal(2, 3, 4, 5), "b": normal(3, 5, 2)})
    yield one("MatMul", inputs="x b", name="_vector", feeds={"x": normal(3, 5), "b": normal(5)})
    for opset, axis in ((11, 1), (11, 2), (13, 1), (13, 2), (13, -1)):
        yield one("Softmax", opset, name=f"_{opset}_{axis}", axis=axis)
    yield one("LogSoftmax")


def spelled(name, mean, square, behind, constants, x=IMAGE, center=True, extra=(), opset=13):
    """A normalization in primitive operators; `mean` gives the nodes of a mean from one name to another."""
    difference = "d" if center else "x"
    nodes = [*(mean("x", "m") + [node("Sub", "x m", "d")] if center else []), *square, *mean("s", "v"),
             node("Add", "v eps", "ve"), node("Sqrt", "ve", "r"), node("Div", f"{difference} r", "n"), *behind, *extra]  # fmt: skip
    outputs = ("y", "d") if extra == "d" else ("y",)
    nodes = [one for one in nodes if one != "d"]
    constants = {"eps": np.float32(1e-5), "two": np.float32(2), "tiny": np.float32(1e-9), **constants}
    return Case(f"spelled_{name}", nodes, {"x": normal(*x)}, constants, opset, outputs, dynamic=False)


def recurrent_cases():
    """Sequences of 7, 1, 4 and 3 of 7 steps, and of all."""
    steps, batch, channels, hidden = 7, 4, 5, 6
    for kind, gates in (("LSTM", 4), ("GRU", 3)):
        for direction in ("forward", "reverse", "bidirectional"):
            count = 2 if direction == "bidirectional" else 1
            constants = {"w": normal(count, gates * hidden, channels), "r": normal(count, gates * hidden, hidden),
                         "b": normal(count, 2 * gates * hidden)}  # fmt: skip
            x, states = normal(steps, batch, channels), {"h": normal(count, batch, hidden)}
            outputs = ("y", "y_h")
            if kind == "LSTM":
                states["c"] = normal(count, batch, hidden)
                outputs += ("y_c",)
            for before in (0, 1) if kind == "GRU" else (None,):
                attributes = {"direction": direction, "hidden_size": hidden}
                name = f"{kind}_{direction}"
                if before is not None:
                    attributes["linear_before_reset"] = before
                    name += f"_{before}"
                feeds = {"x": x, "n": np.array([7, 1, 4, 3], np.int32), **states}
                given = f"x w r b n {' '.join(states)}"
                nodes = [helper.make_node(kind, given.split(), outputs, **attributes)]
                yield Case(name + "_lengths", nodes, feeds, constants, outputs=outputs)
                yield Case(name, [helper.make_node(kind, ["x", "w", "r"], ["y"], **attributes)], {"x": x}, constants)


def spelled_cases():
    """With what each is to be recognized as."""

    def over(*axes):
        return lambda x, y: [node("ReduceMean", x, y, axes=list(axes))]

    def reshaped(x, y):
        return [node("Reshape", f"{x} flat", f"{x}f"), node("ReduceMean", f"{x}f", y, axes=[3])]

    scale, offset = node("Mul", "n g", "p"), node("Add", "p b")
    channels = {"g": normal(1, 6, 1, 1), "b": normal(6, 1, 1), "flat": np.array([1, 6, 1, -1])}
    product, power = [node("Mul", "d d", "s")], [node("Pow", "d two", "s")]
    tiny = [node("Add", "d tiny", "e"), node("Mul", "d e", "s")]
    image = (1, 6, 9, 7)
    yield "instance normalization", spelled("instance", over(2, 3), product, [scale, offset], channels)
    yield "instance normalization", spelled("instance_bare", over(-1, -2), power, [node("Relu", "n")], channels)
    yield "instance normalization", spelled("instance_reshaped", reshaped, tiny, [scale, offset], channels, image)
    yield "instance normalization", spelled("instance_scaled", over(2, 3), power, [node("Mul", "n g")], channels)
    yield "instance normalization", spelled("instance_odd_scale", over(2, 3), power, [scale, offset],
                                            {"g": normal(7), "b": normal(6, 9, 7)})  # fmt: skip
    row = {"g": normal(7), "b": normal(7)}
    yield "layer normalization", spelled("layer", over(-1), power, [scale, offset], row)
    yield "layer normalization", spelled("layer_rows", over(1, 2, 3), product, [scale, offset],
                                         {"g": normal(6, 9, 7), "b": normal(6, 9, 7)})  # fmt: skip
    yield "RMS normalization", spelled("rms", over(-1), [node("Pow", "x two", "s")], [node("Mul", "n g")], row,
                                       center=False)  # fmt: skip
    # Not the norm's: channels of all observations; two observations mixed; a part that others read.
    yield None, spelled("across_observations", over(0, 2), power, [scale, offset], row)
    yield None, spelled("mixed", reshaped, power, [node("Relu", "n")], channels)
    yield None, spelled("read_elsewhere", over(2, 3), power, [scale, offset], channels, extra="d")


def network_cases():
    def transformer():
        t, d, heads = 5, 12, 3
        sizes = {"wqkv": normal(d, 3 * d) / 3, "bqkv": normal(3 * d), "wo": normal(d, d) / 3, "w1": normal(d, 24) / 3,
                 "w2": normal(24, d) / 5, "g": normal(d), "h": normal(d), "scale": np.float32((d / heads) ** -0.5),
                 "split": np.array([0, t, 3, heads, d // heads], np.int64),
                 "join": np.array([0, t, d], np.int64), "i0": np.int64(0), "i1": np.int64(1), "i2": np.int64(2)}  # fmt: skip
        nodes = [node("LayerNormalization", "x g h", "n"), node("MatMul", "n wqkv", "p0"),
                 node("Add", "p0 bqkv", "p"), node("Reshape", "p split", "r"),
                 node("Transpose", "r", "s", perm=[2, 0, 3, 1, 4])]  # fmt: skip
        nodes += [node("Gather", f"s i{i}", name, axis=0) for i, name in enumerate("qkv")]
        nodes += [node("Transpose", "k", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "a0"),
                  node("Mul", "a0 scale", "a1"), node("Softmax", "a1", "a", axis=-1), node("MatMul", "a v", "c0"),
                  node("Transpose", "c0", "c1", perm=[0, 2, 1, 3]), node("Reshape", "c1 join", "c"),
                  node("MatMul", "c wo", "o"), node("Add", "x o", "x2"), node("LayerNormalization", "x2 g h", "m"),
                  node("MatMul", "m w1", "f0"), node("Gelu", "f0", "f"), node("MatMul", "f w2", "f2"),
                  node("Add", "x2 f2")]  # fmt: skip
        return Case("transformer", nodes, {"x": normal(2, t, d)}, sizes, opset=20)

    def unet(rank):
        size, k = (8, 12, 8)[:rank], [3] * rank
        sizes = {"w1": normal(4, 3, *k), "w2": normal(8, 4, *k) / 3, "wt": normal(8, 4, *[2] * rank) / 3,
                 "w3": normal(2, 8, *k) / 3, "g4": normal(4), "b4": normal(4), "g8": normal(8), "b8": normal(8)}  # fmt: skip
        pads = [1] * (2 * rank)
        nodes = [node("Conv", "x w1", "a0", pads=pads), node("InstanceNormalization", "a0 g4 b4", "a1"),
                 node("LeakyRelu", "a1", "a"), node("MaxPool", "a", "d0", kernel_shape=[2] * rank, strides=[2] * rank),
                 node("Conv", "d0 w2", "d1", pads=pads), node("InstanceNormalization", "d1 g8 b8", "d2"),
                 node("LeakyRelu", "d2", "d"), node("ConvTranspose", "d wt", "u", strides=[2] * rank),
                 node("Concat", "u a", "c", axis=1), node("Conv", "c w3", "y", pads=pads)]  # fmt: skip
        return Case(f"unet_{rank}d", nodes, {"x": normal(2, 3, *size)}, sizes)

    yield transformer()
    yield unet(2)
    yield unet(3)


def all_cases():
    cases = [*element_cases(), *window_cases(), *norm_cases(), *shape_cases(), *product_cases(), *network_cases(),
             *(case for _, case in spelled_cases()), *recurrent_cases()]  # fmt: skip
    assert len({case.name for case in cases}) == len(cases)
    return cases
