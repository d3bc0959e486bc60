# Judge, desk, and every verb that works on agreements, cases and topics.
# Built from the top folder: docker build --file deploy/docker/rules.Dockerfile .
#
# The base image is pinned by its exact tag. To pin its octets too, ask your registry for the digest of that tag and
# build with --build-arg PYTHON=python:3.11.14-slim-bookworm@sha256:DIGEST (docker buildx imagetools inspect shows it).
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
# Tools in one place, what is shipped in another: pip itself is not shipped.
RUN python -m venv /tools \
 && /tools/bin/python -m pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements/build.txt
RUN python -m venv --without-pip /opt/schoolgate \
 && /tools/bin/python -m pip --python /opt/schoolgate/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY collector collector
COPY rules rules
COPY schoolgate schoolgate
RUN /tools/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /tools/bin/python -m pip --python /opt/schoolgate/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
# A slow build must never be shipped by accident.
RUN /opt/schoolgate/bin/python -I -c "from collector.flows import COMPILED; raise SystemExit(not COMPILED)"

FROM ${PYTHON}
RUN python -m pip uninstall --yes pip setuptools wheel \
 && groupadd --gid 10001 schoolgate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/schoolgate --shell /usr/sbin/nologin schoolgate \
 && install --directory --owner schoolgate --group schoolgate --mode 0755 /etc/schoolgate /etc/schoolgate/district \
 && install --directory --owner schoolgate --group schoolgate --mode 0700 /var/lib/schoolgate
COPY --from=build /opt/schoolgate /opt/schoolgate
ENV PATH=/opt/schoolgate/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/schoolgate
USER 10001:10001
ENTRYPOINT ["schoolgate"]
CMD ["judge", "--config", "/etc/schoolgate/config.yaml"]
