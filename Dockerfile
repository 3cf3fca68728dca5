# fractaljax in a container, for Kubernetes and other machines.
#
#   docker build --build-arg=EXTRA=gpu --tag=fractaljax:gpu .
#   docker run --gpus=all --volume="$PWD/runs:/app/runs" fractaljax:gpu \
#     python -m fractaljax.main --config=configs/demo.py --workdir=runs/demo
#
# To adapt (minutes, most of them to download JAX): EXTRA is cpu, gpu (CUDA comes with JAX's wheels;
# the machine has the driver and NVIDIA's container toolkit) or tpu. The image holds code alone: no
# data and no credentials, which machines in a cloud get from the service account that they run as.
# A mounted folder must be writable for user 1000.
#
# To resume: the same `docker run`. `docker stop --time=120` has the run save first.
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --create-home --uid=1000 fractaljax
WORKDIR /app

# The packages that it needs, by far the largest layer, change with setup.py only.
ARG EXTRA=cpu
COPY setup.py pyproject.toml README.md ./
RUN case "$EXTRA" in \
      cpu) extras=remote ;; \
      gpu | tpu) extras=$EXTRA,remote ;; \
      *) echo "error: EXTRA=$EXTRA must be cpu, gpu or tpu" >&2; exit 2 ;; \
    esac \
    && mkdir fractaljax && touch fractaljax/__init__.py \
    && pip install --no-cache-dir --root-user-action=ignore --editable ".[$extras]"

COPY configs configs
COPY launch launch
COPY fractaljax fractaljax
RUN mkdir runs && chown fractaljax runs

USER fractaljax
# Tells a scheduler that a run which saved and stopped is not finished.
ENTRYPOINT ["/app/launch/stoppable.sh"]
CMD ["python", "-m", "fractaljax.main", "--help"]
