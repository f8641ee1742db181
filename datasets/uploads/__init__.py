"""Putting data in from outside: images by signed slots, annotation files by import sessions, and by a page's form."""
