"""SLOs: OpenSLO documents, burn rates from integer counts, guarded tiers, and the alert state machine. Pure.

From text to objectives:
    documents.py (YAML, exact numbers) > fields.py (one mapping, all faults) > alert_policy.py, indicator.py, tiers.py
    > openslo.py `parse_objectives` > objective.py `Objective`, with the tiers of policy.py (numbers in windows.yaml),
    which demand the evidence of evidence.py
From counts to incidents:
    counts.py `CountSeries`, `LabelSeries` > burn_rate.py `evaluate` > evaluation.py `Evaluation`
    > alerting.py `next_states` > incident.py `AlertState`, `Transition`, in the words of explain.py
    where there are no counts: unseen.py, which name of the SLO nothing stored has
"""
