"""Which pages show and change what providers offer?"""
