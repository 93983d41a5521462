"""What of a conversation goes to a model, and what is kept of the rest."""
