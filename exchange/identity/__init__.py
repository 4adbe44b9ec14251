"""Who is asking, and for whom may they act?"""
