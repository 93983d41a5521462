"""What an installation says in its files: the schema of skein.toml, and a watch on it."""
