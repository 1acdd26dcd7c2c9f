"""Altair charts: frozen dataclasses in, chart out. No Streamlit, no queries here.

palette.py      colours and symbols of states
axes.py         time axes, frames, marks that all time charts share
traffic.py      requests, failures, latency, accuracy over time
drift.py        effect and p over time, strip of slices
causes.py       what moved, all kinds of causes on one scale
canary.py       how a canary's difference became known
reliability.py  reliability diagram
slices.py       accuracy per value, shifts of an incident
slos.py         burn rate per tier, budget
ingest.py       records and dead letters over time
"""
