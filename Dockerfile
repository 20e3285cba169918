# docker build -t zoo . && docker run --rm -v "$PWD:/work" zoo predict structures/ --model ppbs --out found
# On a GPU: take the two lines that say so, and `docker run --gpus all`. DGL's wheel is for CPUs alone; on a GPU the
# PyTorch engine takes its place with the same numbers.
FROM python:3.11-slim

# On a GPU: leave this line out, so that PyPI's torch with CUDA is installed.
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# On a GPU: ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

ENV PIP_NO_CACHE_DIR=1 DGLBACKEND=pytorch HF_HOME=/cache/huggingface ZOO_STORE=/cache/zoo

WORKDIR /src
COPY setup.py pyproject.toml constraints.txt README.md LICENSE ./
COPY zoo zoo
COPY zoo_configs zoo_configs
COPY hpo hpo
RUN pip install -c constraints.txt ".[hpo]" && zoo doctor --quiet

# Files that it writes belong to no administrator of the machine.
RUN useradd --create-home zoo && mkdir -p /cache /work && chown zoo /cache /work
USER zoo
WORKDIR /work
ENTRYPOINT ["zoo"]
CMD ["--help"]
