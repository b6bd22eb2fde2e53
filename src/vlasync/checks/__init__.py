"""The audit: does every stream of a dataset line up, and is every convention what it claims to be?"""
