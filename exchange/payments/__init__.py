"""How does money come in from outside, and what is done with it, exactly once?"""
