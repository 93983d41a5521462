"""What is known of providers and their models: by name, by settings, and by what their servers tell."""
