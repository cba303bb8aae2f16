"""What there is to read; `python -m docs.make_gallery` makes the gallery."""
