"""What does a worker hold, choose and carry along, and who pays into it?"""
