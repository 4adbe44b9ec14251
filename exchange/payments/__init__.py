"""How does money reach and leave the exchange?"""
