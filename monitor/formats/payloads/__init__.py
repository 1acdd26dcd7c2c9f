"""Bodies of inference calls, as HTTP carries them: chat completions, Open Inference Protocol, V1, Seldon messages.

Readers give rows: what each item of a (batched) call says of a `prediction/v1` (see `monitor.formats.payloads.rows`).
"""
