"""How much may be asked: of a provider, and by people."""
