"""The HTTP service: health so far. A page is one file here and one line in service.py."""
