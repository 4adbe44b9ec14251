"""What do qualified nonprofit providers offer, and can they pay what they owe?"""
