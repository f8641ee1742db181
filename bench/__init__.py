"""What an export costs, beside the floor of what this machine can do: `make bench`, or `python -m bench --help`.

Every figure is of a fresh fork; the variants take turns, so that a noisy minute spoils no comparison; a row shows
medians. Compare ratios of CPU time within one run: seconds do not carry over to another machine or day.
"""
