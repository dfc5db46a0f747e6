"""Small networks that make pictures of pictures, with random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def style_network(size=(None, None), first=None, seed=0, width=8):
    """Reflect padding, a strided convolution, instance norm, ReLU, nearest upsampling, a convolution; 0 to 255
    in and out. `first`: a node that reads "image" and gives "x", and its constants."""
    random = np.random.default_rng(seed)
    weights = {
        "w1": random.normal(size=(width, 3, 3, 3)) / 5,
        "g": random.normal(size=width) + 1,
        "b": random.normal(size=width),
        "w2": random.normal(size=(3, width, 3, 3)) * 5,
        "b2": np.array([120, 110, 100.0]),
    }
    nodes, constants = first or ([helper.make_node("Identity", ["image"], ["x"])], {})
    nodes += [
        helper.make_node("Pad", ["x", "pads"], ["p1"], mode="reflect"),
        helper.make_node("Conv", ["p1", "w1"], ["c1"], strides=[2, 2]),
        helper.make_node("InstanceNormalization", ["c1", "g", "b"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Resize", ["r1", "", "scales"], ["u1"], mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric"),
        helper.make_node("Pad", ["u1", "pads"], ["p2"], mode="reflect"),
        helper.make_node("Conv", ["p2", "w2", "b2"], ["styled"], name="last"),
    ]  # fmt: skip
    tensors = [numpy_helper.from_array(x.astype(np.float32), name) for name, x in {**weights, **constants}.items()]
    tensors.append(numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads"))
    tensors.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales"))
    shape = [1, 3, size[0] or "H", size[1] or "W"]
    out = [1, 3, size[0] or "H2", size[1] or "W2"]
    graph = helper.make_graph(
        nodes, "style",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("styled", TensorProto.FLOAT, out)], tensors)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model


def minus(means):
    """A first node that takes off means, one a channel."""
    return ([helper.make_node("Sub", ["image", "means"], ["x"], name="center")],
            {"means": np.array(means).reshape(3, 1, 1)})  # fmt: skip


def save(model, path):
    onnx.save(model, path)
    return path
