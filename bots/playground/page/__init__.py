"""The playground's web page: what a browser sees of the simulated platforms, and how people act there."""
