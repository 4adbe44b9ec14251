"""What does the law of this program say, and since when?"""
