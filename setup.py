"""Package metadata, and the only place that declares dependencies."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# dgl 1.1.3 is the last one that runs beside a current torch; it has no wheel above Python 3.11
# nor for Windows, where the PyTorch engine takes its place with the same numbers.
DGL = 'python_version < "3.12" and platform_system != "Windows"'

setup(
    name="protein-model-zoo",
    version="0.1.0",
    description="Protein language models and graph networks, fused at several depths.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(
        include=["zoo", "zoo.*", "zoo_configs", "zoo_configs.*", "hpo", "hpo.*"]
    ),
    package_data={
        "zoo": ["py.typed"],
        "zoo.examples": ["*.gz", "*.md"],
        "zoo.pretrained": [f"**/*.{end}" for end in ("json", "md", "safetensors", "txt", "yaml")],
        "zoo.reporting": ["*.css", "*.html", "*.js", "*.txt"],
        "zoo_configs": ["*.yaml", "hpo/*.yaml"],
    },
    install_requires=[
        "torch>=2.6",
        f"dgl==1.1.3; {DGL}",
        f"packaging; {DGL}",  # dgl imports it and does not declare it
        "transformers>=5.15",  # before it T5 hands its padding mask on within the bias of positions
        "huggingface_hub>=1.5",
        "peft>=0.18",
        "lightning>=2.6",
        "safetensors>=0.8",
        "sentencepiece>=0.2",  # reads spiece.model, the tokenizer of ProtT5 as its authors ship it
        "gemmi>=0.7.3",
        "msgpack>=1.0",  # the container of BinaryCIF
        "numpy>=2.0",
        "scipy>=1.13",
        "scikit-learn>=1.6",
        "lifelines>=0.30",
        "pandas>=2.1",  # lifelines needs it too
        "matplotlib>=3.9",
        "h5py>=3.11",
        "filelock>=3.21",
        "captum>=0.8",  # integrated gradients
        "lmdb>=1.4",  # the container of ATOM3D, and of prepared data
        "rdkit>=2024.9",  # ligand files
        "tmtools>=0.3",  # TM-score
        "mini3di>=0.2.1",  # 3Di letters, for language models that read structure
        "psutil>=7.1",
        "pyyaml>=6.0",
        "rich>=13.7",
        "typer>=0.24",
    ],
    extras_require={
        "hpo": ["optuna>=5.0"],
        # Studies on many machines.
        "cluster": ["psycopg[binary]>=3.1", "pymysql", "grpcio", "protobuf"],
        "notebooks": [
            "jupyterlab",
            "ipywidgets",
        ],  # without widgets, tqdm warns at each first import
        "app": ["gradio>=6.31"],
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.27"],
        "loggers": ["tensorboard", "wandb"],
        "parquet": ["pyarrow>=17"],
        "fast": ["numba>=0.68"],
        # Databases of packed structures. Version 1.0 is under MIT, those before under GPL-3.
        "foldcomp": ["foldcomp>=1.0"],
        "ray": ["ray>=2.40", "pyarrow>=17"],
        "dev": [
            "pytest>=8",
            "pytest-xdist",
            "hypothesis",
            "biopython",  # parsers that ours is held against
            "biotite",
            "ipykernel",
            "nbclient",
            "pyarrow>=17",  # of the extra `parquet`
            "numba>=0.68",  # of the extra `fast`
            "ruff",
            "mypy",
            "types-PyYAML",
            "pre-commit",
            "psycopg[binary]>=3.1",
            "grpcio",
            "protobuf",
        ],
    },
    entry_points={"console_scripts": ["zoo = zoo.__main__:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Bio-Informatics",
        "Typing :: Typed",
    ],
)
