"""Skein on Discord, over discord.py."""
