"""Who lives in the demonstration town, and what have they done so far?  Beside demo.py, which tells it, nobody asks."""
