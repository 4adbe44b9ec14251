"""What does everybody own, and how did it come to be so?"""
