"""One question over HTTP: worded, sent within bounds, read, its refusal understood."""
