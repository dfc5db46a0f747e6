"""ONNX Runtime and OpenVINO, on one ONNX model for both; the caller owns inputs and outputs."""

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

from cells import EPSILON


def make_model(cell, arrays):
    """An ONNX model of the cell; None where ONNX has no operator for it."""
    if cell.op == "backward" or cell.channels_last or cell.dtype != "f32":
        return None
    parameters = {"gamma": arrays.gamma, "beta": arrays.beta}  # rms has no beta
    names = ["x", "gamma", "beta"]
    outputs = ["y"]
    opset = 21
    attributes = {"epsilon": EPSILON}
    if cell.layer == "batch":
        operator = "BatchNormalization"
        parameters |= {"mean": arrays.mean, "variance": arrays.variance}
        names += ["mean", "variance"]
        if cell.op == "forward":
            attributes["training_mode"] = 1
            outputs += ["running_mean", "running_variance"]
    elif cell.layer == "layer":
        operator, attributes["axis"] = "LayerNormalization", -1
    elif cell.layer == "instance":
        operator = "InstanceNormalization"
    elif cell.layer == "group":
        operator, attributes["num_groups"] = "GroupNormalization", cell.num_groups
    else:
        operator, attributes["axis"], opset = "RMSNormalization", -1, 23
        del parameters["beta"], names[2]
    node = helper.make_node(operator, names, outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "cell",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, cell.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, cell.shape)],
        [numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    return model.SerializeToString()


class OnnxRuntime:
    name = "ONNX Runtime"

    def version(self):
        return onnxruntime.__version__

    def set_threads(self, threads):
        self.threads = threads

    def prepare(self, cell, arrays):
        model = make_model(cell, arrays)
        if model is None:
            return None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        calls = []
        for x, y in zip(arrays.x, arrays.y):
            binding = session.io_binding()
            binding.bind_input("x", "cpu", 0, np.float32, cell.shape, x.ctypes.data)
            binding.bind_output("y", "cpu", 0, np.float32, cell.shape, y.ctypes.data)
            calls.append(lambda binding=binding: session.run_with_iobinding(binding))
        return calls, None


class OpenVino:
    name = "OpenVINO"

    def version(self):
        return openvino.__version__.partition("-")[0]

    def set_threads(self, threads):
        self.threads = threads

    def prepare(self, cell, arrays):
        model = make_model(cell, arrays)
        if model is None or (cell.layer == "batch" and cell.op == "forward"):
            return None  # it takes training for inference
        core = openvino.Core()
        config = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(core.read_model(model), "CPU", config)
        calls = []
        for x, y in zip(arrays.x, arrays.y):
            request = compiled.create_infer_request()
            request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
            request.set_output_tensor(openvino.Tensor(y, shared_memory=True))
            calls.append(request.infer)
        return calls, None
