"""OpenSLO documents, burn rates, guarded tiers, the alert state machine. Pure."""
