"""Networks of convolutions written as files of LiteRT [1]_, without TensorFlow and its converter.

References
----------
.. [1] https://github.com/google-ai-edge/LiteRT/blob/main/tflite/converter/schema/schema.fbs
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_VERSION = 3  # of the schema
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # bytes


class Tensor(NamedTuple):
    """A value of the network: its number in the file, and its shape for one image."""

    number: int
    shape: tuple[int, ...]


class LitertFile:
    """A network from float32 images of one size, in batches of any length, that grows by operators."""

    def __init__(self, image_size: tuple[int, int]) -> None:
        self._schema = importlib.import_module("ai_edge_litert.schema_py_generated")
        self._buffers: list[np.ndarray | None] = [None]  # the first is that of all values but constants
        self._tensors: list[object] = []
        self._operators: list[object] = []
        self._codes: list[int] = []
        self.images = self._add_tensor((1, *image_size, 3))

    def rescale(self, x: Tensor, scale: float | np.ndarray, offset: float | np.ndarray) -> Tensor:
        """Return x * scale + offset, of numbers or of one for each channel."""
        scaled = self._operate("MUL", [x, self._hold(scale)], x.shape, "Mul")
        return self._operate("ADD", [scaled, self._hold(offset)], x.shape, "Add")

    def convolve(
        self,
        x: Tensor,
        kernel: np.ndarray,
        bias: np.ndarray,
        *,
        stride: int = 1,
        activation: str = "NONE",
        is_depthwise: bool = False,
    ) -> Tensor:
        """Return a convolution, padded as Keras's "same", with a kernel as in Keras.

        What follows is the `activation` "NONE", "RELU" or "RELU6".
        """
        shape = (1, *(math.ceil(side / stride) for side in x.shape[1:3]), len(bias))
        weights = kernel.transpose((3, 0, 1, 2))
        kind = "DepthwiseConv2D" if is_depthwise else "Conv2D"
        settings = {"depthMultiplier": 1} if is_depthwise else {}
        return self._operate(
            "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D",
            [x, self._hold(weights), self._hold(bias)],
            shape,
            kind,
            padding=self._schema.Padding.SAME,
            strideH=stride,
            strideW=stride,
            fusedActivationFunction=getattr(self._schema.ActivationFunctionType, activation),
            **settings,
        )

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the sum of two maps."""
        return self._operate("ADD", [x, y], x.shape, "Add")

    def halve(self, x: Tensor) -> Tensor:
        """Return a map of the largest of each two times two values."""
        shape = (1, x.shape[1] // 2, x.shape[2] // 2, x.shape[3])
        sides = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
        return self._operate("MAX_POOL_2D", [x], shape, "Pool2D", padding=self._schema.Padding.VALID, **sides)

    def pool(self, x: Tensor, pooling: str | None) -> Tensor:
        """Return one row of a map."""
        if pooling is None:
            n_columns = math.prod(x.shape)
            to = self._hold(np.array([-1, n_columns], dtype=np.int32))
            return self._operate("RESHAPE", [x, to], (1, n_columns), "Reshape", newShape=[-1, n_columns])
        axes = self._hold(np.array([1, 2], dtype=np.int32))
        kind = "MEAN" if pooling == "avg" else "REDUCE_MAX"
        return self._operate(kind, [x, axes], (1, x.shape[3]), "Reducer", keepDims=False)

    def to_bytes(self, rows: Sequence[Tensor]) -> bytes:
        """Return the file of the network whose output are these rows side by side."""
        import flatbuffers

        schema, (output, *others) = self._schema, rows
        if others:
            shape = (1, sum(row.shape[1] for row in rows))
            output = self._operate("CONCATENATION", rows, shape, "Concatenation", axis=1)

        class Buffer(schema.BufferT):  # type: ignore[name-defined]
            """A buffer that is aligned in the file."""

            def Pack(self, builder: Any) -> int:
                builder.Prep(_ALIGNMENT, 0 if self.data is None else len(self.data))
                return super().Pack(builder)

        graph = schema.SubGraphT(
            tensors=self._tensors,
            inputs=[self.images.number],
            outputs=[output.number],
            operators=self._operators,
        )
        model = schema.ModelT(
            version=_VERSION,
            operatorCodes=[
                schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)
                for code in self._codes
            ],
            subgraphs=[graph],
            buffers=[Buffer(data=data) for data in self._buffers],
        )
        builder = flatbuffers.Builder(2**20 + sum(data.size for data in self._buffers if data is not None))
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(builder.Output())

    def _hold(self, values: float | np.ndarray) -> Tensor:
        """Add a constant, float32 unless it is int32."""
        array = np.asarray(values)
        array = np.ascontiguousarray(array, dtype=np.int32 if array.dtype == np.int32 else np.float32)
        self._buffers.append(array.reshape(-1).view(np.uint8))
        return self._add_tensor(array.shape, kind=array.dtype.name, buffer=len(self._buffers) - 1)

    def _operate(
        self, code: str, inputs: Sequence[Tensor], shape: tuple[int, ...], options: str, **settings: object
    ) -> Tensor:
        """Add an operator, and return its output."""
        number = getattr(self._schema.BuiltinOperator, code)
        if number not in self._codes:
            self._codes.append(number)
        output = self._add_tensor(shape)
        self._operators.append(
            self._schema.OperatorT(
                opcodeIndex=self._codes.index(number),
                inputs=[each.number for each in inputs],
                outputs=[output.number],
                builtinOptionsType=getattr(self._schema.BuiltinOptions, f"{options}Options"),
                builtinOptions=getattr(self._schema, f"{options}OptionsT")(**settings),
            )
        )
        return output

    def _add_tensor(self, shape: tuple[int, ...], *, kind: str = "float32", buffer: int = 0) -> Tensor:
        number = len(self._tensors)
        self._tensors.append(
            self._schema.TensorT(
                shape=list(shape),
                shapeSignature=None if buffer else [-1, *shape[1:]],
                type=getattr(self._schema.TensorType, kind.upper()),
                buffer=buffer,
                name=f"tensor_{number}",
            )
        )
        return Tensor(number, tuple(shape))
