"""How a question is asked: who answers, how often, within which limits, and who is left alone."""
