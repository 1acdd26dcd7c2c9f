"""What people ask of the tables: plain functions of a connection and a window, frozen dataclasses out, no ORM.

selection.py    which traffic: model, version, variant, live or replayed
catalogue.py    which models, replays and event times there are
buckets.py      how a window is cut into points of a chart
proportions.py  k out of n with its interval, and the difference of two
latency.py      quantiles read from a histogram
traffic.py      rate, status mix, latency, missing confidences
accuracy.py     labelled accuracy
slices.py       accuracy per value of a slice dimension, against the window before
calibration.py  confidences and outcomes
drift.py        references and results per stream and slice
slos.py         evaluations, tier readings and their history
alerts.py       incidents, transitions, notifications
incidents.py    the slices that carry an incident
examples.py     requests to look at
drawn.py        answers that stand for the traffic, with their labels
deployments.py  what was rolled out
streams.py      lag, consumption, gaps, dead letters
backlog.py      label tasks that wait
"""
