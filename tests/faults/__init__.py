"""Faults at random moments: whatever dies, stalls or is lost, an export is done once, or failed with its reason.

A program of its own, `make test-faults`; it runs the portal as its users do, on real servers, and strikes while
exports are under way. A round is repeated with its seed and number.
"""
