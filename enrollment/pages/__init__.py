"""Which pages show and change what workers hold and employers pay?"""
