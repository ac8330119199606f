# Two stages: one with all that building needs, and one with nothing but Python and the environment.
# Any Debian with glibc and Python 3.11 or newer will do as the base, under any name.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE_IMAGE} AS build
WORKDIR /build
ENV PIP_CONFIG_FILE=/run/secrets/pip.conf \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PYTHONHASHSEED=0

# How pip reaches a private registry is a secret of this step: it stays in no layer.
ARG LOCK=requirements.lock
COPY requirements*.lock ./
RUN --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.crt \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    && if [ -s /run/secrets/ca.crt ]; then PIP_CERT=/run/secrets/ca.crt; fi \
    && export PIP_CERT \
    && awk '/^[^ ]/ { wanted = /^flit-core==/ } wanted' requirements-dev.lock > backend.lock \
    && python3 -m venv /build/tools \
    && python3 -m venv --without-pip /opt/broker \
    && tools/bin/pip install --quiet --require-hashes -r backend.lock \
    && tools/bin/pip --python /opt/broker/bin/python install --quiet --require-hashes -r "${LOCK}"

COPY pyproject.toml README.md ./
COPY broker broker
RUN tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/broker/bin/python install --quiet --no-index --no-deps wheels/*.whl

# Runs without the secrets: the authorities that it takes along are the base's own.
COPY image/collect.py ./
RUN python3 collect.py /opt/broker broker /collected

FROM scratch
COPY --from=build /collected/python /
COPY --from=build /collected/broker /
ENV PATH=/opt/broker/bin:/usr/local/bin:/usr/bin \
    LANG=C.UTF-8 \
    MALLOC_ARENA_MAX=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BROKER_BIND=0.0.0.0:8080 \
    BROKER_RUNTIME_DIR=/tmp/broker
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/opt/broker/bin/broker"]
CMD ["serve"]

ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1980-01-01T00:00:00Z
LABEL org.opencontainers.image.title="canvas-token-broker" \
      org.opencontainers.image.description="Serves the current Canvas access token to internal services" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
