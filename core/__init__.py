"""The core of Skein: conversations, turns, limits, providers and the store. It knows no chat platform."""
