"""False alarms, power, delay and cost of the drift test, beside its peers, on the same arrays."""
