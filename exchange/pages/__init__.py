"""Which pages belong to the market as a whole?"""
