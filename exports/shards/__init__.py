"""One export on many workers: its runs are dealt out as shards, and whoever is free writes one.

The worker that holds the export deals the shards, writes those that nobody else takes, and assembles what comes, in
order (`holder`). So it needs nobody: others only make it quicker (`writer`). All see the dataset as it does; who cannot
leaves the shard to it. A shard is a job of its own: when its worker is lost, that shard alone is done again.
"""
