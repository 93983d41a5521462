"""The HTTP service: health and metrics. A page is one file here and one line in service.py."""
