"""Datasets for programs: a module a resource, its endpoints to read and to change; how it looks on the wire is in
the module of the same name in `schemas`."""
