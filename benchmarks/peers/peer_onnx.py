"""ONNX Runtime and OpenVINO, on one ONNX model for both; the caller owns inputs and outputs."""

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

from cells import EPSILON

MICROSOFT = "com.microsoft"


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
    elif cell.residual:  # operators of ONNX Runtime's own
        operator = {"layer": "SkipLayerNormalization", "rms": "SkipSimplifiedLayerNormalization"}[cell.layer]
        names[1:1], attributes["domain"] = ["residual"], MICROSOFT
        outputs += ["", "", "sum"]
    elif cell.layer == "layer" and cell.format != "BC":  # of all but the observation
        operator, attributes["num_groups"] = "GroupNormalization", 1
    elif cell.layer == "layer":
        operator, attributes["axis"] = "LayerNormalization", -1
    elif cell.layer == "instance":
        operator = "InstanceNormalization"
    elif cell.layer == "group":
        operator, attributes["num_groups"] = "GroupNormalization", cell.num_groups
    else:
        operator, attributes["axis"], opset = "RMSNormalization", -1, 23
    if arrays.beta is None:
        del parameters["beta"], names[names.index("beta")]
    node = helper.make_node(operator, names, outputs, **attributes)
    values = lambda *of: [helper.make_tensor_value_info(n, TensorProto.FLOAT, cell.shape) for n in of]  # noqa: E731
    graph = helper.make_graph(
        [node],
        "cell",
        values("x", "residual") if cell.residual else values("x"),
        values("y", "sum") if cell.residual else values("y"),
        [numpy_helper.from_array(value, name) for name, value in parameters.items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(graph, opset_imports=opsets if cell.residual else opsets[:1])
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
        for i, (x, y) in enumerate(zip(arrays.x, arrays.y)):
            inputs, outputs = {"x": x}, {"y": y}
            if cell.residual:
                inputs["residual"], outputs["sum"] = arrays.residual[i], arrays.sum[i]
            binding = session.io_binding()
            for bind, named in ((binding.bind_input, inputs), (binding.bind_output, outputs)):
                for name, array in named.items():
                    bind(name, "cpu", 0, np.float32, cell.shape, array.ctypes.data)
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
        if model is None or cell.residual or (cell.layer == "batch" and cell.op == "forward"):
            return None  # it has no such operator, and takes training for inference
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
