"""The demo: drawn images whose annotations are exact, because whoever drew them knows what is where.

`brush` draws, `things` and `dials` are what there is to draw, `scene` and `panel` arrange them and say what they
show, and `seed` makes two datasets of it. Everything comes from a fixed seed. Nothing else imports this package.
"""
