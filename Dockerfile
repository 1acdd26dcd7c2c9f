# One image for migration, collectors, scheduler and dashboard; the command chooses.
FROM python:3.12-slim AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY monitor monitor
COPY collectors collectors
COPY dashboards dashboards
COPY demo demo
# Editable: alembic/ and slos/ are found beside the packages, as in a checkout.
RUN /venv/bin/pip install --constraint constraints.txt --editable .

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home snellen
WORKDIR /app
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY alembic alembic
COPY slos slos
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 SNELLEN_HOME=/home/snellen/.snellen
USER 10001
CMD ["snellen", "--help"]
