"""Write a saved model as one file for a phone or another runtime.

examples:
  python -m fishsk export fish.fishsk --output fish.tflite    for LiteRT (TensorFlow Lite): phones, boards
  python -m fishsk export fish.fishsk --output fish.onnx      for ONNX Runtime, with any head
  python -m fishsk export fish.fishsk --output fish.xml       for OpenVINO, with fish.bin beside it
  python -m fishsk export fish.fishsk --output fish.keras     for Keras

It is written only if it gives the model's answers on 32 images.
"""

from __future__ import annotations

import argparse

from fishsk.cli._arguments import add_model
from fishsk.cli._screen import Screen, load_tensorflow
from fishsk.cli._targets import EXPORTS, prepare_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--output", default="model.tflite", metavar="FILE", help="the file to write; its ending is the format"
    )


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    target = prepare_file(arguments.output, EXPORTS)
    load_tensorflow(screen)

    from fishsk.persistence import export_model, load_pipeline

    pipeline = load_pipeline(arguments.model)
    with screen.stage("export and compare"):
        difference = export_model(pipeline, target)
    size = target.stat().st_size
    screen.fact("Compared", f"32 images, answers at most {difference:.0e} off", difference=difference)
    screen.fact("Export", f"{target} ({size / 1e6:.1f} MB)", export=target, size=size)
