"""Key ring, tokens and links: pure but for the key-ring file; knows no mail and no database."""
