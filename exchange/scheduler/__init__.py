"""What has to happen by itself, and did it happen exactly once?"""
