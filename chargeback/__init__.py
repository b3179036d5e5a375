"""The business of charging cost back, without Prefect."""
