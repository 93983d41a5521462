"""The frontends of Skein, its command line and its playground. They translate; the core decides."""
