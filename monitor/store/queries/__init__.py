"""What people ask of the tables: plain functions of a connection and a window, frozen dataclasses out, no ORM.

selection.py    which traffic: model, version, variant, live or replayed
catalogue.py    which models, replays and event times there are
buckets.py      how a window is cut into points of a chart
latency.py      quantiles read from a histogram
traffic.py      rate, status mix, latency, missing confidences
calls.py        calls that are logged in two records
canary.py       a canary beside the stable version
accuracy.py     labelled accuracy
slices.py       labels per value of a slice dimension or of a pair, and in the window before
label_delays.py how many labels of a window are still to come
estimates.py    accuracy estimated without labels, against what labels later said
confidences.py  confidences of all answers, and of labelled ones beside their outcomes
calibration.py  confidences and outcomes
agreement.py    labels that several people gave to one answer
drift.py        references and results per stream and slice
drift_alarms.py ticks that drifted in a row, and what was said of them
explanations.py what moved, and slices that nobody had named
slos.py         evaluations, tier readings and their history
seen.py         names that SLOs can choose by
alerts.py       incidents, transitions, notifications
incidents.py    the slices that carry an incident
examples.py     requests to look at
drawn.py        answers that stand for the traffic, with their labels
deployments.py  what was rolled out
streams.py      lag, consumption, gaps, dead letters by reason
dead_letters.py dead letters, one by one
label_tasks.py  one label task, and the queue
backlog.py      label tasks that wait
"""
