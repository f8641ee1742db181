"""Importing: folders of images and files of annotation lines become assets and annotations.

The story in the order of the modules: `files` finds what to read, `image_import` stores the images, `lines` cuts
the annotation files, `readers` turn each line into a `Record`, `placement` gives each record its asset, and
`annotation_import` writes the rows. `importer.import_into` is the one door in; `account` is what it gives back.
"""
