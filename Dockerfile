FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY conformance conformance
COPY openapi openapi
RUN python3 -m venv /opt/spot-conformance \
    && /opt/spot-conformance/bin/pip install --no-cache-dir --disable-pip-version-check .

FROM python:3.11-slim
COPY --from=build /opt/spot-conformance /opt/spot-conformance
ENV PATH=/opt/spot-conformance/bin:$PATH PYTHONUNBUFFERED=1
# whoever runs it (docker run --user) may write reports here, so that they belong to them outside
RUN useradd --no-create-home --uid 10001 conformance && install --directory --mode 1777 /work /work/reports
WORKDIR /work
USER 10001
ENTRYPOINT ["spot-conformance"]
CMD ["--help"]
