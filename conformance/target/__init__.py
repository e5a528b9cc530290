"""Reaching the target: settings, accounts, signing, clock, HTTP, the recorder, and provisioning of orders."""
