"""Installation of videonet. Lower bounds are the oldest releases with what the code calls; there is no upper pin."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="videonet",
    version="0.1.0",
    description="Video recognition from image blocks: SlowFast, X3D, CSN, Slow, I3D, C2D and image backbones",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["videonet", "videonet.*"]),
    package_data={"videonet": ["py.typed"]},
    install_requires=[
        "torch>=2.4",
        "torchvision>=0.19",
        "numpy>=1.24",
        "av>=17",
        "fvcore>=0.1.5.post20221221",
        "pyyaml>=6",
        "matplotlib>=3.7",
        "tensorboard>=2.14",
        "tqdm>=4.66",
        "pillow>=10.1",
    ],
    extras_require={
        "test": [
            *("pytest>=8", "pytest-xdist>=3.5", "ruff>=0.6", "timm>=1.0.10", "pycocotools>=2.0.7", "scikit-learn>=1.3"),
            *("onnx>=1.16", "onnxscript>=0.2", "onnxruntime>=1.18"),
        ],
        "export": ["onnx>=1.16", "onnxscript>=0.2", "onnxruntime>=1.18"],
        "decoders": ["decord>=0.6", "torchcodec>=0.2"],
    },
    entry_points={"console_scripts": ["videonet = videonet.cli.main:main"]},
)
